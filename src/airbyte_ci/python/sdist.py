"""sdists: built into a wheel once, in a sandbox without network, by build requirements that ship with the tool.

Which wheel comes out depends on the sdist, those requirements and the interpreter; nothing else can reach it.
"""

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from airbyte_ci.container import sandbox
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.python import build_tools, trees
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import LockedFile

FORMAT_VERSION = 3
# The first moment that a zip can hold, so that back ends which write the time write the same one.
_EPOCH = "315532800"
# How many lines of a build that failed are told.
_TOLD = 12
# What runs in the image.
_FRONTEND = Path(__file__).with_name("build_frontend.py")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def identity() -> str:
    """What every build here depends on beside the sdist: the pinned build requirements and how they are used."""
    return f"{FORMAT_VERSION}:{build_tools.identity()}"


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
    if found := known(builder, sdist, version):
        return found
    progress(f"building {_shown(sdist)}")
    built = _build(builder, sdist, version)
    pure, native = _keys(builder, sdist, version)
    key = pure if built.name.endswith("-none-any.whl") else native
    builder.store.remember(key, {"name": built.name, "sha256": built.sha256})
    return built


def known(builder: Builder, sdist: LockedFile, version: str = "") -> LockedFile | None:
    """The wheel, if it was built before and is in the store."""
    for key in _keys(builder, sdist, version):
        found = builder.store.recall(key)
        if found is not None and builder.store.has(Digest(found["sha256"])):
            return LockedFile(found["name"], found["sha256"])
    return None


def _keys(builder: Builder, sdist: LockedFile, version: str) -> tuple[Digest, Digest]:
    """Where the store remembers a pure wheel, and a native one."""
    interpreter = builder.interpreter
    pure = {"sdist": sdist.sha256, "requirements": build_tools.identity(), "version": version}
    native = {
        **pure,
        "python": interpreter.version,
        "machine": interpreter.markers["platform_machine"],
        "context": builder.context,
    }
    return action_key("sdist", FORMAT_VERSION, pure), action_key("sdist", FORMAT_VERSION, native)


def _reason(said: Sequence[str]) -> str:
    """The line that says what was wrong: the last that the build wrote."""
    return next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")


def _shown(sdist: LockedFile) -> str:
    return sdist.name.removesuffix(trees.SUFFIX).partition("+")[0]


def _build(builder: Builder, sdist: LockedFile, version: str) -> LockedFile:
    store = builder.store
    root = build_tools.over(builder.root(), store, builder.index, builder.interpreter)
    with store.scratch() as folder:
        for part in ("out", "source", "work"):
            (folder / part).mkdir()
        (folder / "source" / sdist.name).hardlink_to(store.path(Digest(sdist.sha256)))
        finished = sandbox.run(store, root, _command(folder, builder.interpreter, sdist.name, version))
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


def _command(folder: Path, interpreter: Interpreter, sdist: str, version: str) -> sandbox.Command:
    place = "/.airbyte-ci/build"
    # What is no sdist but a tree says where in it the project is.
    _, _, subdirectory = sdist.removesuffix(trees.SUFFIX).partition("+")
    inside = ("/".join(subdirectory.split("+")) or ".",) if sdist.endswith(trees.SUFFIX) else ()
    frontend = f"{place}/{_FRONTEND.name}"
    # The names by which back ends that take the version from git are told it instead.
    told = dict.fromkeys(("SETUPTOOLS_SCM_PRETEND_VERSION", "POETRY_DYNAMIC_VERSIONING_BYPASS", "PBR_VERSION"), version)
    return sandbox.Command(
        (
            *(interpreter.executable, "-s", "-S", "-B", frontend),
            *(f"/{build_tools.FOLDER}", f"{place}/source/{sdist}", f"{place}/work", f"{place}/out", *inside),
        ),
        {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/tmp",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
            "SOURCE_DATE_EPOCH": _EPOCH,
            **(told if version else {}),
        },
        mounts=(sandbox.Mount(folder, place, writable=True), sandbox.Mount(_FRONTEND, frontend)),
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
