"""The root in which a hook's module runs: an interpreter, its standard library and the connector's folder, read-only.

Everything else of this machine is hidden: home folders, configuration, other processes, network, capabilities. The
module's root has no account on this machine: it reads only those system libraries that everyone may read.
"""

import itertools
import json
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from airbyte_ci.connectors import hidden_files, leftovers
from airbyte_ci.errors import HookError
from airbyte_ci.sandbox import runtime
from airbyte_ci.sandbox.command import Command, Limits, Mount, Purpose
from airbyte_ci.sandbox.runtime import Confinement
from airbyte_ci.sandbox.staging import Staging

# A hook only describes operations; they run elsewhere.
LIMITS = Limits(processes=64, memory=1 << 30, address_space=4 << 30, file=64 << 20)
TALK = 3
_SCRIPT = Path(__file__).with_name("process.py")
_API = Path(__file__).parents[1] / "dagger"
_OURS = "/airbyte-ci"
# Possible folders of shared libraries. Python does not search folders that belong to other programs.
_LIBRARIES = ("/lib", "/lib64", "/lib32", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_FILES = ("/etc/ld.so.cache",)
# Each hidden path is a mount of its own.
_MOST_HIDDEN = 1_000
_TEMPORARY = Purpose(
    "temporary files of a hook's module", "output", source="memory", target="`/tmp`", written_by="none"
)
_PYTHON = Purpose(
    "Python for a hook's module",
    "input",
    source="this machine's interpreter, standard library and shared libraries",
    target="their own paths",
    written_by="the machine's administrator",
)
_EMPTY = Purpose(
    "hidden from a hook's module",
    "input",
    source="an empty file or folder in the hook's own scratch folder",
    target=f"secrets in the connector's folder, packages of this machine, `{_OURS}/hidden`",
    written_by="airbyte-ci",
)
_TOOL = Purpose(
    "hook API", "input", source="airbyte-ci's own files", target=f"`{_OURS}`", written_by="the installer of airbyte-ci"
)
_FOLDER = Purpose(
    "folder of the connector",
    "input",
    source="the connector's folder",
    target="its own path",
    written_by="the connector's developers",
)


def write_bundle(
    bundle: Path, module: Path, environment: Mapping[str, str], confinement: Confinement, stage: Staging | None
) -> dict[str, Path]:
    """Creates the OCI bundle, and returns the links that belong into the root.

    Without a staging folder, for a user who may not mount here, the root is `root` in the bundle and already contains
    them.
    """
    (bundle / "empty" / "folder").mkdir(parents=True)
    (bundle / "empty" / "file").touch()
    folder = module.absolute().parent
    command = Command(
        arguments=(_interpreter(), "-I", "-S", f"{_OURS}/hook_process.py", str(TALK), f"{folder}/{module.name}"),
        environment=environment,
        workdir=str(folder),
        limits=LIMITS,
    )
    # Its files may belong to another user (a checkout built with sudo): root is needed only to read them.
    capabilities = ("CAP_DAC_READ_SEARCH",)
    links = {place.name: place.readlink() for place in _libraries() if _is_merged(place)}
    root = stage.root if stage else bundle / "root"
    if not stage:
        root.mkdir()
        for name, target in links.items():
            (root / name).symlink_to(target)
    mounts = tuple(_mounts(bundle, folder))
    document = runtime.configuration(
        root,
        command,
        environment=environment,
        given=mounts,
        confinement=confinement,
        capabilities=capabilities,
        stage=stage,
    )
    document["root"]["readonly"] = True
    (bundle / "config.json").write_text(json.dumps(document))
    return links


def _mounts(bundle: Path, folder: Path) -> Iterator[Mount]:
    # First, because the connector's folder may be below it.
    yield Mount(source=None, target="/tmp", writable=True, size=16 << 20, purpose=_TEMPORARY)
    places = _libraries()
    system = {Path(item) for item in _LIBRARIES}
    for place in sorted(places):
        if place.exists() and not _is_merged(place) and not any(parent in places for parent in place.parents):
            yield Mount(source=place, target=str(place), public=place in system, purpose=_PYTHON)
    for file in (*_FILES, _interpreter()):
        if Path(file).exists():
            yield Mount(source=Path(file), target=file, purpose=_PYTHON)
    for kind in ("purelib", "platlib"):
        packages = Path(sysconfig.get_path(kind, vars=_base()))
        if packages.is_dir() and any(parent in places for parent in packages.parents):
            yield Mount(source=bundle / "empty" / "folder", target=str(packages), purpose=_EMPTY)
    yield Mount(source=_SCRIPT, target=f"{_OURS}/hook_process.py", purpose=_TOOL)
    yield Mount(source=_API, target=f"{_OURS}/dagger", purpose=_TOOL)
    # By these the API knows what is hidden, and leaves it out of folders.
    yield Mount(source=bundle / "empty", target=f"{_OURS}/hidden", purpose=_EMPTY)
    yield Mount(source=folder, target=str(folder), purpose=_FOLDER)
    for name in hidden(folder):
        place = folder / name
        yield Mount(
            source=bundle / "empty" / ("folder" if place.is_dir() else "file"), target=str(place), purpose=_EMPTY
        )


def _libraries() -> set[Path]:
    return {Path(item) for item in (*_LIBRARIES, *_standard_library())}


def _is_merged(place: Path) -> bool:
    """Whether this is /lib or a similar folder whose content lies in /usr."""
    return place.is_symlink() and place.parent == Path("/")


def hidden(folder: Path) -> list[str]:
    """Returns the paths in the connector's folder that its hook sees as empty."""
    # A hook must not read files that the check for changes ignores.
    caches = (name for name in leftovers.FOLDERS if (folder / name).is_dir() and not (folder / name).is_symlink())
    secrets = list(itertools.islice(hidden_files.hidden(folder, leftovers.FOLDERS), _MOST_HIDDEN + 1))
    if len(secrets) > _MOST_HIDDEN:
        raise HookError(f"{folder} contains more than {_MOST_HIDDEN:,} files that must be hidden from hooks")
    return sorted({*caches, *secrets})


def _interpreter() -> str:
    """Returns the program behind a virtual environment's link: Python finds its standard library next to it."""
    return os.path.realpath(sys.executable)


def _base() -> dict[str, str]:
    """Returns the installation from which a virtual environment was created."""
    return {"base": sys.base_prefix, "platbase": sys.base_exec_prefix, "installed_base": sys.base_prefix}


def _standard_library() -> Iterator[str]:
    for kind in ("stdlib", "platstdlib"):
        yield sysconfig.get_path(kind, vars=_base())
    for library in sorted((Path(_interpreter()).parent.parent / "lib").glob("libpython*.so*")):
        yield str(library)
