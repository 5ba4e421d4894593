"""sdists: built into a wheel once, in a sandbox without network, by build requirements that ship with the tool.

Which wheel comes out depends on the sdist, those requirements and the interpreter; nothing else can reach it.
"""

import io
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from airbyte_ci.container import sandbox
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.python import trees
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import LockedFile

FORMAT_VERSION = 2
# The first moment that a zip can hold, so that back ends which write the time write the same one.
_EPOCH = "315532800"
# What pip writes after the output of a build that failed; and how much of all that is told.
_END = "[end of output]"
_TOLD = 12
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def build_requirements() -> str:
    """The pinned build requirements that ship with the tool."""
    return resources.files("airbyte_ci.python").joinpath("build-requirements.txt").read_text("utf-8")


def identity() -> str:
    """What every build here depends on beside the sdist: the pinned build requirements and how they are used."""
    return f"{FORMAT_VERSION}:{Digest.of(build_requirements().encode())}"


@dataclass(frozen=True, slots=True)
class Builder:
    """Where wheels are built: a root with its Python; `context` names everything that the root is made of."""

    store: Store
    index: PackageIndex
    root: Callable[[], Tree]
    interpreter: Interpreter
    context: str = ""


def to_wheel(builder: Builder, sdist: LockedFile, progress: Callable[[str], None], version: str = "") -> LockedFile:
    """The wheel of an sdist or source tree that is in the store, kept there too; raises PackageError.

    A pure wheel is made once for every Python, platform and base; a native one once for the root it was built in.
    `version` is told to back ends that would ask git, which a tree has not.
    """
    interpreter = builder.interpreter
    pure = {"sdist": sdist.sha256, "requirements": str(Digest.of(build_requirements().encode())), "version": version}
    native = {
        **pure,
        "python": interpreter.version,
        "machine": interpreter.markers["platform_machine"],
        "context": builder.context,
    }
    keys = [action_key("sdist", FORMAT_VERSION, inputs) for inputs in (pure, native)]
    for key in keys:
        known = builder.store.recall(key)
        if known is not None and builder.store.has(Digest(known["sha256"])):
            return LockedFile(known["name"], known["sha256"])
    progress(f"building {_shown(sdist)}")
    built = _build(builder, sdist, _fetch(builder, build_requirements()), version)
    key = keys[0] if built.name.endswith("-none-any.whl") else keys[1]
    builder.store.remember(key, {"name": built.name, "sha256": built.sha256})
    return built


def _reason(said: Sequence[str]) -> str:
    """The line that says what was wrong: the last that the package's own build wrote, before what pip adds to it."""
    ends = [number for number, line in enumerate(said) if line.strip() == _END]
    lines = [line.strip() for line in said[: ends[-1] if ends else len(said)] if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _shown(sdist: LockedFile) -> str:
    return sdist.name.removesuffix(trees.SUFFIX).partition("+")[0]


def _fetch(builder: Builder, text: str) -> list[LockedFile]:
    from airbyte_ci.python import pinned  # slow to import, and most builds build nothing of source

    lock = pinned.lock(builder.store, builder.index, builder.interpreter, text, "build-requirements.txt")
    for package in lock.packages:
        builder.index.fetch(builder.store, package.name, package.files[0])
    return [package.files[0] for package in lock.packages]


def _build(builder: Builder, sdist: LockedFile, tools: list[LockedFile], version: str) -> LockedFile:
    store = builder.store
    with store.scratch() as folder:
        for part in ("tools", "out", "source"):
            (folder / part).mkdir()
        for file in tools:
            (folder / "tools" / file.name).hardlink_to(store.path(Digest(file.sha256)))
        (folder / "source" / sdist.name).hardlink_to(store.path(Digest(sdist.sha256)))
        pip = next(file.name for file in tools if file.name.startswith("pip-"))
        command = _command(folder, builder.interpreter, pip, sdist.name, version)
        finished = sandbox.run(store, builder.root(), command)
        if finished.returncode and _UNSATISFIED in finished.stderr + finished.stdout:
            # It asks for other versions of its tools than there are: then it is built by those that there are.
            for place in ("source/tree", "source/tools"):
                shutil.rmtree(folder / place, ignore_errors=True)
            command = _command(folder, builder.interpreter, pip, sdist.name, version, isolated=False)
            finished = sandbox.run(store, builder.root(), command)
        wheels = list((folder / "out").glob("*.whl"))
        if finished.returncode or len(wheels) != 1:
            said = (finished.stderr or finished.stdout).decode(errors="replace").strip().splitlines()
            raise PackageError(
                f"building a wheel of {_shown(sdist)}: {_reason(said)}",
                details=said[-_TOLD:],
                advice="lock a version that has a wheel, publish one on your own index, or name what the build needs "
                "as buildPackages in build_customization.yaml",
            )
        return _keep(store, wheels[0])


# A tree is unpacked by the image's Python, inside of the sandbox: whatever its links lead to, it is not this machine's.
_UNPACK = """
import os, sys, tarfile
archive, folder, *command = sys.argv[1:]
os.mkdir(folder)
with tarfile.open(archive) as tree:
    tree.extractall(folder)
os.execv(command[0], command)
"""


# What pip says when no tool here has a version that the sdist asks for.
_UNSATISFIED = b"installing build dependencies did not run successfully"
# Without isolation a back end sees what is installed: our tools, and nothing of the image.
_INSTALL = """
import os, pathlib, subprocess, sys
pip, tools, target, *command = sys.argv[1:]
wheels = sorted(str(path) for path in pathlib.Path(tools).glob("*.whl"))
install = [sys.executable, "-s", "-B", pip, "install", "--no-index", "--no-deps", "--quiet", "--target", target]
subprocess.run([*install, *wheels], check=True)
os.environ["PYTHONPATH"] = target
os.execv(command[0], command)
"""


def _command(
    folder: Path, interpreter: Interpreter, pip: str, sdist: str, version: str, *, isolated: bool = True
) -> sandbox.Command:
    place = "/.airbyte-ci/build"
    source = f"{place}/source/{sdist}"
    python = (interpreter.executable, "-s", "-B")
    before: tuple[str, ...] = ()
    if sdist.endswith(trees.SUFFIX):
        before = (*python, "-c", _UNPACK, source, f"{place}/source/tree")
        _, _, subdirectory = sdist.removesuffix(trees.SUFFIX).partition("+")
        source = "/".join([f"{place}/source/tree", *(subdirectory.split("+") if subdirectory else [])])
    runner = f"{place}/tools/{pip}/pip"
    # The names by which back ends that take the version from git are told it instead.
    told = dict.fromkeys(("SETUPTOOLS_SCM_PRETEND_VERSION", "POETRY_DYNAMIC_VERSIONING_BYPASS", "PBR_VERSION"), version)
    return sandbox.Command(
        (
            *before,
            *(() if isolated else (*python, "-c", _INSTALL, runner, f"{place}/tools", f"{place}/source/tools")),
            *(*python, runner, "wheel", *(() if isolated else ("--no-build-isolation",))),
            *("--no-deps", "--no-index", f"--find-links={place}/tools", "--no-cache-dir"),
            *("--disable-pip-version-check", "--quiet", "--no-input", f"--wheel-dir={place}/out"),
            source,
        ),
        {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/tmp",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
            "SOURCE_DATE_EPOCH": _EPOCH,
            "PIP_ROOT_USER_ACTION": "ignore",
            **(told if version else {}),
        },
        mounts=(sandbox.Mount(folder, place, writable=True),),
        timeout=1800,
    )


def _keep(store: Store, path: Path) -> LockedFile:
    try:
        parse_wheel_filename(path.name)
        data = canonical(path.read_bytes())
    except (InvalidWheelFilename, zipfile.BadZipFile) as error:
        raise PackageError(f"a build back end made {path.name}, which is not a wheel ({error})") from error
    return LockedFile(path.name, store.put(data).hex)


def canonical(data: bytes) -> bytes:
    """The same wheel as the only possible zip: sorted, stored, fixed times and modes."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive,
    ):
        for member in sorted(source.infolist(), key=lambda item: item.filename):
            if member.is_dir():
                continue
            info = zipfile.ZipInfo(member.filename, _ZIP_TIME)
            info.create_system = 3
            executable = (member.external_attr >> 16) & 0o111
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(info, source.read(member))
    return target.getvalue()
