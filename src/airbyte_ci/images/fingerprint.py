"""Fingerprints: detects whether an input of a build changed since the last one, without reading unchanged files.

Compares every file's and folder's kind, mode, size, inode, and the times of change of content and of status. The last
one cannot be set, so touched, reverted, replaced and renamed files, changed modes and a backward clock are all
detected. A change within the clock's resolution before the check is not trusted, as in git's index.
"""

import functools
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
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
        digest = hashlib.sha256()
        self.newest = 0
        self._coarse = True
        # If a root is a link, its files lie at the target.
        places = dict.fromkeys(place for root in roots for place in (root, root.resolve()))
        for place in places:
            for line, changed in _walk(place, str(place), str(place).count("/"), left_out):
                digest.update(line)
                self.newest = max(self.newest, changed)
                self._coarse = self._coarse and changed % 1_000_000_000 == 0
        self.digest = digest.hexdigest()

    def is_settled(self, moment: int) -> bool:
        """Whether a later change would be visible, for files checked from this moment on (ns since the epoch)."""
        return self.newest + (_COARSE_GRAIN if self._coarse else _GRAIN) < moment


@functools.cache
def state_of_tool() -> Fingerprint:
    """Returns the state of airbyte-ci's own files when this process first asked: the code that it runs."""
    return Fingerprint([TOOL])


def _walk(
    path: Path | os.DirEntry[str], name: str, depth: int, left_out: Callable[[str], bool] | None
) -> Iterator[tuple[bytes, int]]:
    try:
        status = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        yield f"{name}\0absent\n".encode(errors="surrogateescape"), 0
        return
    yield _line(name, status)
    if stat.S_ISLNK(status.st_mode):
        # A link's target is compared when it is read; the link's own status shows where it is.
        try:
            yield _line(f"{name}\0target", path.stat())
        except OSError:
            yield f"{name}\0dangling\n".encode(errors="surrogateescape"), 0
    elif stat.S_ISDIR(status.st_mode) and name.count("/") <= depth + DEPTH_LIMIT:  # Deeper folders are refused.
        with os.scandir(path) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
        for entry in inside:
            if entry.name in leftovers.FOLDERS or entry.name.endswith(".pyc"):
                continue
            if left_out is None or not left_out(f"{name}/{entry.name}"):
                yield from _walk(entry, f"{name}/{entry.name}", depth, left_out)


def _line(name: str, status: os.stat_result) -> tuple[bytes, int]:
    is_folder = stat.S_ISDIR(status.st_mode)
    # A folder changes when a tool creates its cache inside; its entries are compared by name instead.
    changed = 0 if is_folder else status.st_ctime_ns
    facts = (
        (status.st_mode, status.st_dev, status.st_ino)
        if is_folder
        else (
            *(status.st_mode, status.st_dev, status.st_ino, status.st_size),
            *(status.st_mtime_ns, status.st_ctime_ns),
        )
    )
    return f"{name}\0{facts}\n".encode(errors="surrogateescape"), changed
