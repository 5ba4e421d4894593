"""Sessions: which processes use a store, so that collecting garbage takes nothing from under them.

A process that opens a store holds a locked file for as long as it lives; the kernel lets go of the lock however it
dies. What a process uses it marks with the time of use, and nothing used since the oldest session began is removed.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# The same process may open a store many times; one file speaks for all of them.
_OPEN: dict[tuple[int, str], tuple[int, float]] = {}


def join(folder: Path) -> float:
    """Registers this process and returns when its session began (seconds since the epoch, by the disk's clock)."""
    key = (os.getpid(), str(folder))
    if key not in _OPEN:
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f"{os.getpid()}-")
        # Between being made and being locked it looks stale, and may be swept away: then it is made anew.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not Path(name).exists():
            os.close(descriptor)
            return join(folder)
        _OPEN[key] = (descriptor, os.fstat(descriptor).st_mtime)
    return _OPEN[key][1]


def oldest(folder: Path) -> float | None:
    """When the oldest living session began; None where there is none but this process. Sweeps the dead ones."""
    own = _OPEN.get((os.getpid(), str(folder)))
    began = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            status = os.fstat(file.fileno())
            if own and status.st_ino == os.fstat(own[0]).st_ino:
                continue
            if is_free(file.fileno()):
                path.unlink(missing_ok=True)
            else:
                began.append(status.st_mtime)
    return min(began, default=None)


def is_free(descriptor: int) -> bool:
    """Takes the lock of an open file if nobody has it; the lock goes with the file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def locked(path: Path, *, shared: bool) -> Iterator[None]:
    """Holds a lock file: many may share it, one excludes all."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
