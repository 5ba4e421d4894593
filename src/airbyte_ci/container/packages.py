"""Downloads of apt and pip, shared between builds and never part of an image.

Each command gets them as a layer of its own below what it writes, so it cannot change what others get; what it
downloads is gathered afterwards. What one command leaves may be forged by it: apt is given packages as unfinished
downloads, whose signed hashes it verifies, and of pip's cache only files are shared, which pip verifies by the hashes
of an index.
"""

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from airbyte_ci.container.lending import FOLDER
from airbyte_ci.container.tree import Tree
from airbyte_ci.oci.store import Store

VARIABLES = {"PIP_CACHE_DIR": f"/{FOLDER}/pip"}
_LIMIT = 4 << 30
_DAY = 86400
_DEB = re.compile(r"[A-Za-z0-9.+~%_:-]+\.deb")
_PIP = re.compile(r"[0-9a-f]{56}(\.body)?")
# The folders of pip's cache: headers and bodies apart, since 23.3; both in one file before.
_PIP_FOLDERS = ("http-v2", "http")
# How such a file begins: MessagePack of {"response": {"body": …, headers and so on}}, in CacheControl's fourth format.
_PIP_HEAD = re.compile(rb"cc=4,[\x81\x82]\xa8response[\x80-\x8f]\xa4body(\xc4|\xc5|\xc6)")
# A page of an index, other than a file, is believed without a hash.
_PAGES = (b"html", b"json")
_CONFIGURATION = f"""\
Dir::Cache::Archives "/{FOLDER}/apt/archives";
APT::Keep-Downloaded-Packages "true";
DPkg::Pre-Invoke {{ "cp -fl /{FOLDER}/apt/archives/*.deb /{FOLDER}/apt/kept/ 2> /dev/null || true"; }};
"""


def lend(store: Store, bundle: Path, root: Tree) -> Tree:
    """The tree with what was downloaded before on top, for one command; nothing where the image has no apt nor pip."""
    layer = bundle / "packages"
    (layer / FOLDER / "pip").mkdir(parents=True)
    (layer / FOLDER / "pip").chmod(0o777)
    if root.resolve("etc/apt/apt.conf.d") is not None:
        _lend_apt(store, layer, root)
    for kind in _PIP_FOLDERS:
        for file in (file for day in _days(store, kind) for file in _held(day)):
            place = layer / FOLDER / "pip" / kind / Path(*file.name[:5], file.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):
                os.link(file, place)
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
    for day in _days(store, "apt"):
        for file in _held(day):
            with contextlib.suppress(OSError):
                os.link(file, layer / FOLDER / "apt/archives/partial" / file.name)


def gather(store: Store, upper: Path) -> None:
    """Keeps what a command has downloaded, and removes from `upper` what belongs to this."""
    today = str(int(time.time()) // _DAY)
    for file in _files(upper, f"{FOLDER}/apt/kept"):
        if _DEB.fullmatch(file.name):
            _keep(store, file, "apt", today)
    for kind in _PIP_FOLDERS:
        for file in _files(upper, f"{FOLDER}/pip/{kind}"):
            if _PIP.fullmatch(file.name) and not _is_page(_headers(file, kind)):
                _keep(store, file, kind, today)
    _prune(store)


def _files(upper: Path, folder: str) -> Iterator[Path]:
    """Regular files below a folder that a command has filled; no link is followed, on the way there neither."""
    place = upper
    for part in Path(folder).parts:
        place /= part
        if place.is_symlink() or not place.is_dir():
            return
    for parent, _, names in os.walk(place):
        for name in names:
            file = Path(parent, name)
            if stat.S_ISREG(file.lstat().st_mode):
                yield file


def _headers(file: Path, kind: str) -> bytes | None:
    """What an entry of pip's cache holds beside the body; None where it is not such an entry."""
    if kind == "http-v2":
        meta = file.with_name(file.name.removesuffix(".body"))
        try:
            return meta.read_bytes() if stat.S_ISREG(meta.lstat().st_mode) and meta.lstat().st_size < 1 << 16 else None
        except FileNotFoundError:
            return None
    with file.open("rb") as content:
        found = _PIP_HEAD.match(start := content.read(64))
        if not found:
            return None
        width = {b"\xc4": 1, b"\xc5": 2, b"\xc6": 4}[found[1]]
        content.seek(found.end() + width + int.from_bytes(start[found.end() : found.end() + width], "big"))
        rest = content.read((1 << 16) + 1)
    return rest if len(rest) <= 1 << 16 else None


def _is_page(headers: bytes | None) -> bool:
    return headers is None or any(word in headers.lower() for word in _PAGES)


def _keep(store: Store, file: Path, kind: str, today: str) -> None:
    place = store.root / "caches" / kind / today
    place.mkdir(parents=True, exist_ok=True)
    for day in _days(store, kind):
        if day != place:
            (day / file.name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        partial = place / f".{file.name}.{os.getpid()}"
        partial.unlink(missing_ok=True)
        os.link(file, partial, follow_symlinks=False)
        os.chown(partial, 0, 0)
        partial.chmod(0o644)
        partial.replace(place / file.name)


def _days(store: Store, kind: str) -> list[Path]:
    """The folders of a cache, one for each day of last use, oldest first."""
    folder = store.root / "caches" / kind
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
    for kind in ("apt", *_PIP_FOLDERS):
        days = _days(store, kind)
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
