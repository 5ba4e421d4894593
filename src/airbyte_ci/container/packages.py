"""Packages that apt downloads, shared between builds and never part of an image; and where pip keeps its own.

Each command gets them as a layer of its own below what it writes, so it cannot change what others get; what it
downloads is copied afterwards. What one command leaves may be forged by it: apt is given packages as unfinished
downloads, whose signed hashes it verifies. pip believes its cache of responses, so that no command sees another's.
"""

import contextlib
import os
import re
import shutil
import stat
import time
from pathlib import Path

from airbyte_ci.container.lending import FOLDER
from airbyte_ci.container.output_files import OutputRefused, list_outputs, open_output
from airbyte_ci.container.tree import Tree
from airbyte_ci.oci.store import Store

# In no layer, whatever the home of the image's user is.
VARIABLES = {"PIP_CACHE_DIR": f"/{FOLDER}/pip"}
_LIMIT = 4 << 30
# The largest packages of Debian have some 700 MB.
_PACKAGE_LIMIT = 1 << 30
_DAY = 86400
_DEB = re.compile(r"[A-Za-z0-9.+~%_:-]+\.deb")
_KIND = "apt"
_CONFIGURATION = f"""\
Dir::Cache::Archives "/{FOLDER}/apt/archives";
APT::Keep-Downloaded-Packages "true";
DPkg::Pre-Invoke {{ "cp -fl /{FOLDER}/apt/archives/*.deb /{FOLDER}/apt/kept/ 2> /dev/null || true"; }};
"""


def lend(store: Store, bundle: Path, root: Tree) -> Tree:
    """The tree with packages that were downloaded before on top, for one command."""
    layer = bundle / "packages"
    (layer / FOLDER / "pip").mkdir(parents=True)
    (layer / FOLDER / "pip").chmod(0o777)
    if root.resolve("etc/apt/apt.conf.d") is not None:
        _lend_apt(store, layer, root)
    if node := root.entry(""):
        os.chown(layer, node.status.st_uid, node.status.st_gid)
        layer.chmod(stat.S_IMODE(node.status.st_mode))
    return Tree((layer, *root.layers))


def _lend_apt(store: Store, layer: Path, root: Tree) -> None:
    for folder in ("apt/archives/partial", "apt/kept"):
        (layer / FOLDER / folder).mkdir(parents=True)
    # Later files win, and one of the image may throw downloads away.
    place = layer / "etc/apt/apt.conf.d"
    place.mkdir(parents=True)
    for part in ("etc", "etc/apt", "etc/apt/apt.conf.d"):
        if node := root.entry(part):
            os.chown(layer / part, node.status.st_uid, node.status.st_gid)
            (layer / part).chmod(stat.S_IMODE(node.status.st_mode))
    (place / "zz-airbyte-ci").write_text(_CONFIGURATION)
    for day in _days(store):
        for file in _held(day):
            with contextlib.suppress(OSError):
                os.link(file, layer / FOLDER / "apt/archives/partial" / file.name)


def gather(store: Store, upper: Path) -> None:
    """Keeps a copy of the packages that a command has downloaded."""
    today = str(int(time.time()) // _DAY)
    with contextlib.suppress(OutputRefused, OSError):
        for name in list_outputs(upper, f"{FOLDER}/apt/kept"):
            if _DEB.fullmatch(name):
                _keep(store, upper, name, today)
    _prune(store)


def _keep(store: Store, upper: Path, name: str, today: str) -> None:
    place = store.root / "caches" / _KIND / today
    place.mkdir(parents=True, exist_ok=True)
    for day in _days(store):
        if day != place:
            (day / name).unlink(missing_ok=True)
    partial = place / f".{name}.{os.getpid()}"
    try:
        # apt has it twice itself; below the sandbox's own folder, no other name can be anybody else's.
        with (
            open_output(upper, f"{FOLDER}/apt/kept/{name}", _PACKAGE_LIMIT, may_be_linked=True) as source,
            partial.open("xb") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
            os.fchmod(target.fileno(), 0o644)
        partial.replace(place / name)
    except (OutputRefused, OSError):
        partial.unlink(missing_ok=True)


def _days(store: Store) -> list[Path]:
    """The folders of packages, one for each day of last use, oldest first."""
    folder = store.root / "caches" / _KIND
    try:
        return sorted(folder.iterdir(), key=lambda day: day.name.rjust(10))
    except FileNotFoundError:
        return []


def _held(day: Path) -> list[Path]:
    """What a day's folder holds; nothing where another process has just removed it."""
    try:
        return list(day.iterdir())
    except FileNotFoundError:
        return []


def _prune(store: Store) -> None:
    """The oldest days go while all together are too large; those in use stay where they are linked."""
    days = _days(store)
    sizes = [sum(_size(file) for file in _held(day)) for day in days]
    while sum(sizes) > _LIMIT and len(days) > 1:
        for file in _held(days[0]):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            days[0].rmdir()
        days, sizes = days[1:], sizes[1:]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
