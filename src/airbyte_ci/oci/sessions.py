"""Sessions: who uses a store, so that collecting garbage takes nothing from under them.

An open store holds a locked file for as long as it lives; the kernel lets go of the lock however its process dies. What
is used is marked with the time of use, and nothing that was used since the oldest session began is removed.
"""

import contextlib
import errno
import fcntl
import os
import weakref
from pathlib import Path

from airbyte_ci import disk


class Session:
    """One use of a store, from `join` until nobody refers to it. `began` is in seconds, by the disk's clock."""

    def __init__(self, began: float, inode: int = 0) -> None:
        self.began = began
        self.inode = inode


def join(folder: Path) -> Session:
    """A session that has begun. A store that cannot be written needs none: nothing can be removed from it."""
    try:
        descriptor, path = disk.create_unique(folder, f"{os.getpid()}-")
    except OSError as error:
        if error.errno == errno.EROFS:
            return Session(0.0)
        raise
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if not path.exists():
        # Between being made and being locked it looked stale and was swept away.
        os.close(descriptor)
        return join(folder)
    status = os.fstat(descriptor)
    session = Session(status.st_mtime, status.st_ino)
    weakref.finalize(session, _leave, descriptor, str(path), os.getpid())
    return session


def _leave(descriptor: int, name: str, process: int) -> None:
    os.close(descriptor)
    if os.getpid() == process:  # a forked child has a copy of the file, but it is not its session
        Path(name).unlink(missing_ok=True)


def oldest(folder: Path, *, but: Session) -> float | None:
    """When the oldest living session began, `but` one's own; None where there is no other. Sweeps the dead ones."""
    began = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino == but.inode:
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
