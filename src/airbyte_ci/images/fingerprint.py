"""Fingerprints: detects whether an input of a build changed since the last one, without reading unchanged files.

Compares every file's and folder's kind, mode, size, inode, and the times of change of content and of status. The last
one cannot be set, so touched, reverted, replaced and renamed files, changed modes and a backward clock are all
detected. A change within the clock's resolution before the check is not trusted, as in git's index.
"""

import functools
import hashlib
import operator
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

import airbyte_ci
from airbyte_ci.connectors import leftovers
from airbyte_ci.disk import DEPTH_LIMIT

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
        lines: list[str] = []
        changes = [0]
        # If a root is a link, its files lie at the target.
        places = dict.fromkeys(place for root in roots for place in (root, root.resolve()))
        for place in places:
            _walk(place, str(place), str(place).count("/"), left_out, lines, changes)
        self.digest = hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
        self.newest = max(changes)
        self._coarse = all(changed % 1_000_000_000 == 0 for changed in changes)

    def is_settled(self, moment: int) -> bool:
        """Whether a later change would be visible, for files checked from this moment on (ns since the epoch)."""
        return self.newest + (_COARSE_GRAIN if self._coarse else _GRAIN) < moment


@functools.cache
def state_of_tool() -> Fingerprint:
    """Returns the state of airbyte-ci's own files when this process first asked: the code that it runs."""
    return Fingerprint([TOOL])


def _walk(
    path: Path | os.DirEntry[str],
    name: str,
    depth: int,
    left_out: Callable[[str], bool] | None,
    lines: list[str],
    changes: list[int],
) -> None:
    """Appends a line for a path and each path below it, and their times of change (ns)."""
    try:
        status = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        lines.append(f"{name}\0absent\n")
        return
    _add(name, status, lines, changes)
    if stat.S_ISLNK(status.st_mode):
        # A link's target is compared when it is read; the link's own status shows where it is.
        try:
            _add(f"{name}\0target", path.stat(), lines, changes)
        except OSError:
            lines.append(f"{name}\0dangling\n")
    if not stat.S_ISDIR(status.st_mode) or name.count("/") > depth + DEPTH_LIMIT:  # Deeper folders are refused.
        return
    with os.scandir(path) as entries:
        inside = sorted(entries, key=_name)
    for entry in inside:
        file = entry.name
        if file in leftovers.FOLDERS or file.endswith(".pyc"):
            continue
        below = f"{name}/{file}"
        if left_out is None or not left_out(below):
            _walk(entry, below, depth, left_out, lines, changes)


_name = operator.attrgetter("name")


def _add(name: str, status: os.stat_result, lines: list[str], changes: list[int]) -> None:
    mode, inode, device, _, _, _, size, *_ = status
    # A folder changes when a tool creates its cache inside; its entries are compared by name instead.
    if stat.S_ISDIR(mode):
        lines.append(f"{name}\0{mode} {device} {inode}\n")
        return
    changed = status.st_ctime_ns
    lines.append(f"{name}\0{mode} {device} {inode} {size} {status.st_mtime_ns} {changed}\n")
    changes.append(changed)
