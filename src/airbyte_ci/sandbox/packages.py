"""Packages that apt downloads, shared between builds and never part of an image; and pip's cache folder.

Each command sees them as a separate layer below its writable one, so it cannot change what others see; its downloads
are copied afterwards. A command may forge its downloads, so apt receives them as unfinished downloads and verifies
their signed hashes. pip trusts its response cache, so no command sees another's.
"""

import contextlib
import os
import re
import shutil
import stat
import time
from pathlib import Path

from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox.lending import FOLDER
from airbyte_ci.sandbox.output_files import OutputRefused, list_outputs, open_output

# In no layer, with any home of the image's user.
VARIABLES = {"PIP_CACHE_DIR": f"/{FOLDER}/pip"}
_LIMIT = 4 << 30
# The largest packages of Debian have about 700 MB.
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
    """Returns the tree with downloaded packages on top, for one command."""
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
    # Later files win, and a file of the image may discard downloads.
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
    """Copies the packages that a command has downloaded."""
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
        # apt itself has two links to it; below the sandbox's own folder, no other link is possible.
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
    """Returns the folders of packages, one per day of last use, oldest first."""
    folder = store.root / "caches" / _KIND
    try:
        return sorted(folder.iterdir(), key=lambda day: day.name.rjust(10))
    except FileNotFoundError:
        return []


def _held(day: Path) -> list[Path]:
    """Returns the content of a day's folder; nothing if another process has just removed it."""
    try:
        return list(day.iterdir())
    except FileNotFoundError:
        return []


def _prune(store: Store) -> None:
    """Removes the oldest days while the total is too large; packages in use stay where they are linked."""
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
