"""What a command changed: overlayfs' upper folder → layer entries, without the noise that differs each time."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from airbyte_ci.container.tree import Node, Tree, is_opaque, is_whiteout
from airbyte_ci.oci import tar
from airbyte_ci.oci.tar import Entry

# Files that package managers and Python write differently on each run and that nothing needs in an image.
_NOISE = re.compile(
    r"""
      var/log/(apt/.*|dpkg\.log|alternatives\.log|bootstrap\.log|lastlog|faillog|btmp|wtmp)
    | var/cache/(apt|debconf)/.*-old
    | var/cache/(apt/.*\.bin|apt/archives/.+|ldconfig/aux-cache)
    | var/lib/apt/lists/.+
    | var/lib/dpkg/.*-old
    | etc/(machine-id|hostname|hosts|resolv\.conf|\.pwd\.lock)
    | etc/(passwd|group|shadow|gshadow|subuid|subgid)-
    | (root|home/[^/]+)/\.cache/pip/.*
    | (dev|proc|sys|run)/.*
    | (.*/)?__pycache__(/.*)?
    | (.*/)?\.wh\..*
    """,
    re.VERBOSE,
)


def entries(upper: Path, lower: Tree, ignored: frozenset[str]) -> list[Entry]:
    """The upper folder as layer entries; `ignored` are the places where something was lent to the command."""
    links: dict[int, str] = {}
    found = list(_walk(upper, "", lower, ignored, links))
    return tar.sorted_entries(_without_idle_folders(found, lower))


def _walk(upper: Path, folder: str, lower: Tree, ignored: frozenset[str], links: dict[int, str]) -> Iterator[Entry]:
    for item in sorted(os.scandir(upper / folder), key=lambda entry: entry.name.encode("utf-8", "surrogateescape")):
        path = f"{folder}/{item.name}" if folder else item.name
        status = item.stat(follow_symlinks=False)
        if path in ignored or _NOISE.fullmatch(path):
            continue
        if is_whiteout(status):
            if lower.entry(path):
                yield tar.whiteout(path)
            continue
        if stat.S_ISDIR(status.st_mode):
            yield _entry(upper / path, path, status)
            if is_opaque(upper / path) and lower.entry(path):
                yield Entry(f"{path}/{tar.OPAQUE}", mode=0)
            yield from _walk(upper, path, lower, ignored, links)
        elif status.st_nlink > 1 and status.st_ino in links:
            yield Entry(path, "hardlink", stat.S_IMODE(status.st_mode), link=links[status.st_ino])
        elif not _unchanged(upper / path, status, lower.entry(path)):
            links[status.st_ino] = path
            yield _entry(upper / path, path, status)


def _entry(disk: Path, path: str, status: os.stat_result) -> Entry:
    kind, link, content, device = _content(disk, status)
    return Entry(
        path,
        kind,
        stat.S_IMODE(status.st_mode),
        content,
        link,
        status.st_uid,
        status.st_gid,
        device,
        _xattrs(disk),
    )


def _content(disk: Path, status: os.stat_result) -> tuple[tar.Kind, str, bytes | Path, tuple[int, int]]:
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return "symlink", str(disk.readlink()), b"", (0, 0)
    if stat.S_ISDIR(mode):
        return "dir", "", b"", (0, 0)
    if stat.S_ISREG(mode):
        return "file", "", disk, (0, 0)
    if stat.S_ISFIFO(mode):
        return "fifo", "", b"", (0, 0)
    device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return ("char" if stat.S_ISCHR(mode) else "block"), "", b"", device


def _xattrs(disk: Path) -> dict[str, bytes]:
    names = [name for name in os.listxattr(disk, follow_symlinks=False) if name.startswith(("security.", "user."))]
    return {name: os.getxattr(disk, name, follow_symlinks=False) for name in sorted(names)}


def _unchanged(disk: Path, status: os.stat_result, before: Node | None) -> bool:
    """Whether overlayfs copied a file up (touch, chmod and back) that is the same as it was."""
    if before is None or _identity(status) != _identity(before.status):
        return False
    if stat.S_ISLNK(status.st_mode):
        return str(disk.readlink()) == str(before.disk.readlink())
    if not stat.S_ISREG(status.st_mode) or _xattrs(disk) != _xattrs(before.disk):
        return False
    with disk.open("rb") as one, before.disk.open("rb") as other:
        while chunk := one.read(1 << 20):
            if chunk != other.read(1 << 20):
                return False
    return True


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    return (status.st_mode, status.st_uid, status.st_gid, size)


def _without_idle_folders(found: list[Entry], lower: Tree) -> Iterator[Entry]:
    """Leaves out folders that exist below, are as they were and hold no change."""
    used = {parent for entry in found if entry.kind != "dir" for parent in tar.parents(entry.path)}
    for entry in found:
        if entry.kind == "dir" and entry.path not in used:
            before = lower.entry(entry.path)
            if before and before.is_dir and _same_folder(entry, before):
                continue
        yield entry


def _same_folder(entry: Entry, before: Node) -> bool:
    return (entry.mode, entry.uid, entry.gid) == (
        stat.S_IMODE(before.status.st_mode),
        before.status.st_uid,
        before.status.st_gid,
    )
