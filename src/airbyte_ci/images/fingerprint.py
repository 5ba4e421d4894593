"""Fingerprints: detects whether an input of a build changed since the last one, without reading unchanged files.

Compares every file's and folder's kind, mode, size, inode, and the times of change of content and of status. The last
one cannot be set, so touched, reverted, replaced and renamed files, changed modes and a backward clock are all
detected. A change within the clock's resolution before the check is not trusted, as in git's index.
"""

import functools
import operator
import os
import stat
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import airbyte_ci
from airbyte_ci.connectors import leftovers
from airbyte_ci.disk import DEPTH_LIMIT
from airbyte_ci.hashing import sha256

# Kernels stamp files with a clock that ticks every 1 to 10 ms; some file systems store one or two seconds.
_GRAIN = 20_000_000
_COARSE_GRAIN = 2_000_000_000
# airbyte-ci's own package: a part of every build's inputs.
TOOL = Path(airbyte_ci.__file__).parent


class Fingerprint:
    """The state of files at one moment. `digest` identifies the state; `newest` is the latest change (ns).

    Paths below the roots that are `left_out` are not part of it.
    """

    __slots__ = ("_coarse", "digest", "newest")

    def __init__(self, roots: Iterable[Path], left_out: Callable[[str], bool] | None = None) -> None:
        found = _Found()
        # If a root is a link, its files lie at the target.
        places = dict.fromkeys(place for root in roots for place in (root, root.resolve()))
        for place in places:
            _add(place, str(place), str(place).count("/") + DEPTH_LIMIT, left_out, found)
        names = "\0".join(found.names).encode(errors="surrogateescape")
        self.digest = sha256(b"\0".join([names, *found.states]))
        self.newest = max(found.changes, default=0)
        self._coarse = all(changed % 1_000_000_000 == 0 for changed in found.changes)

    def is_settled(self, moment: int) -> bool:
        """Whether a later change would be visible, for files checked from this moment on (ns since the epoch)."""
        return self.newest + (_COARSE_GRAIN if self._coarse else _GRAIN) < moment


@functools.cache
def state_of_tool() -> Fingerprint:
    """Returns the state of airbyte-ci's own files when this process first asked: the code that it runs."""
    return Fingerprint([TOOL])


class _Found:
    """The names of files and folders with the state of each, and the times at which the files changed (ns)."""

    __slots__ = ("changes", "names", "states")

    def __init__(self) -> None:
        self.names: list[str] = []
        self.states: list[bytes] = []
        self.changes: list[int] = []

    def add_file(self, name: str, status: os.stat_result) -> None:
        changed = status.st_ctime_ns
        times = status.st_mtime_ns & _64_BITS, changed & _64_BITS  # those before 1970 are negative
        self.names.append(name)
        self.states.append(_pack(status.st_mode, status.st_dev, status.st_ino, status.st_size, *times))
        self.changes.append(changed)

    def add_folder(self, name: str, status: os.stat_result) -> None:
        """A folder changes when a tool creates its cache inside; its entries are compared by name instead."""
        self.names.append(name)
        self.states.append(_pack(status.st_mode, status.st_dev, status.st_ino, 0, 0, 0))

    def add_absent(self, name: str) -> None:
        self.names.append(name)
        self.states.append(_pack(0, 0, 0, 0, 0, 0))


# Six numbers in as many bytes are formatted and hashed in half the time of their digits.
_pack = struct.Struct("6Q").pack
_64_BITS = (1 << 64) - 1
_name = operator.attrgetter("name")


def _add(
    path: Path | os.DirEntry[str], name: str, limit: int, left_out: Callable[[str], bool] | None, found: _Found
) -> None:
    """Adds a path and each path below it.

    Folders with more than `limit` slashes in their names are not read: deeper ones are refused elsewhere.
    """
    try:
        status = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        found.add_absent(name)
        return
    if stat.S_ISDIR(status.st_mode):
        found.add_folder(name, status)
        if name.count("/") <= limit:
            _add_entries(path, name, limit, left_out, found)
        return
    found.add_file(name, status)
    if stat.S_ISLNK(status.st_mode):
        _add_target(path, name, found)


def _add_entries(
    path: Path | os.DirEntry[str], name: str, limit: int, left_out: Callable[[str], bool] | None, found: _Found
) -> None:
    """Adds a folder's entries, first the files: only by their names, below the folder's."""
    with os.scandir(path) as entries:
        inside = sorted(entries, key=_name)
    others = []
    for entry in inside:
        file = entry.name
        if file in leftovers.FOLDERS or file.endswith(".pyc") or (left_out and left_out(f"{name}/{file}")):
            continue
        if entry.is_file(follow_symlinks=False):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed at this moment
            found.add_file(file, status)
        else:
            others.append(entry)
    for entry in others:
        _add(entry, f"{name}/{entry.name}", limit, left_out, found)


def _add_target(path: Path | os.DirEntry[str], name: str, found: _Found) -> None:
    """Adds a link's target. It is compared when it is read; the link's own state shows where it is."""
    target = f"{name}/"
    try:
        status = path.stat()
    except OSError:
        found.add_absent(target)
        return
    if stat.S_ISDIR(status.st_mode):
        found.add_folder(target, status)
    else:
        found.add_file(target, status)
