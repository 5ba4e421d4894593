"""sdists: built into a wheel once, in a sandbox without network, by build requirements that ship with the tool.

Which wheel comes out depends on the sdist, those requirements and the interpreter; nothing else can reach it.
"""

import io
import zipfile
from importlib import resources
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from airbyte_ci.container import sandbox
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.python import pinned
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import LockedFile

FORMAT_VERSION = 1
# The first moment that a zip can hold, so that back ends which write the time write the same one.
_EPOCH = "315532800"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def build_requirements() -> str:
    """The pinned build requirements that ship with the tool."""
    return resources.files("airbyte_ci.python").joinpath("build-requirements.txt").read_text("utf-8")


def to_wheel(store: Store, index: PackageIndex, root: Tree, interpreter: Interpreter, sdist: LockedFile) -> LockedFile:
    """The wheel of an sdist that is in the store, kept there too; raises PackageError when it cannot be built."""
    text = build_requirements()
    inputs = {
        "sdist": sdist.sha256,
        "requirements": str(Digest.of(text.encode())),
        "python": interpreter.version,
        "machine": interpreter.markers["platform_machine"],
    }
    key = action_key("sdist", FORMAT_VERSION, inputs)
    known = store.recall(key)
    if known is not None and store.has(Digest(known["sha256"])):
        return LockedFile(known["name"], known["sha256"])
    built = _build(store, root, interpreter, sdist, _fetch(store, index, interpreter, text))
    store.remember(key, {"name": built.name, "sha256": built.sha256})
    return built


def _fetch(store: Store, index: PackageIndex, interpreter: Interpreter, text: str) -> list[LockedFile]:
    lock = pinned.lock(store, index, interpreter, text, "build-requirements.txt")
    files = [package.files[0] for package in lock.packages]
    for package in lock.packages:
        index.fetch(store, package.name, package.files[0])
    return files


def _build(
    store: Store, root: Tree, interpreter: Interpreter, sdist: LockedFile, tools: list[LockedFile]
) -> LockedFile:
    with store.scratch() as folder:
        for part in ("tools", "out", "source"):
            (folder / part).mkdir()
        for file in tools:
            (folder / "tools" / file.name).hardlink_to(store.path(Digest(file.sha256)))
        (folder / "source" / sdist.name).hardlink_to(store.path(Digest(sdist.sha256)))
        pip = next(file.name for file in tools if file.name.startswith("pip-"))
        finished = sandbox.run(store, root, _command(folder, interpreter, pip, sdist.name))
        wheels = list((folder / "out").glob("*.whl"))
        if finished.returncode or len(wheels) != 1:
            said = (finished.stderr or finished.stdout).decode(errors="replace").strip().splitlines()[-12:]
            raise PackageError(
                f"building a wheel of {sdist.name}, which has no wheel for this Python and platform:"
                + "".join(f"\n    {line}" for line in said),
                advice="lock a version that has a wheel, or publish one on your own index",
            )
        return _keep(store, wheels[0])


def _command(folder: Path, interpreter: Interpreter, pip: str, sdist: str) -> sandbox.Command:
    place = "/.airbyte-ci/build"
    return sandbox.Command(
        (
            *(interpreter.executable, "-s", "-B", f"{place}/tools/{pip}/pip", "wheel"),
            *("--no-deps", "--no-index", f"--find-links={place}/tools", "--no-cache-dir"),
            *("--disable-pip-version-check", "--quiet", "--no-input", f"--wheel-dir={place}/out"),
            f"{place}/source/{sdist}",
        ),
        {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/tmp",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
            "SOURCE_DATE_EPOCH": _EPOCH,
            "PIP_ROOT_USER_ACTION": "ignore",
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
