"""Sessions of a store, so that garbage collection removes nothing that a process uses.

An open store holds a locked file as long as it lives; the kernel releases the lock even if the process is killed. Used
items are marked with the time, and nothing that was used since the oldest session began is removed.
"""

import contextlib
import errno
import fcntl
import os
import weakref
from pathlib import Path

from airbyte_ci import disk


class StoreSession:
    """One use of a store, from `join` until it is no longer referenced. `began` is in seconds, by the disk's clock."""

    def __init__(self, began: float, inode: int = 0) -> None:
        self.began = began
        self.inode = inode


def join(folder: Path) -> StoreSession:
    """Returns a new session. A store that is not writable needs none, because nothing can be removed from it."""
    try:
        descriptor, path = disk.create_unique(folder, f"{os.getpid()}-")
    except OSError as error:
        if error.errno == errno.EROFS:
            return StoreSession(0.0)
        raise
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if not path.exists():
        # Between creation and locking it looked stale, and was removed.
        os.close(descriptor)
        return join(folder)
    status = os.fstat(descriptor)
    session = StoreSession(status.st_mtime, status.st_ino)
    weakref.finalize(session, _leave, descriptor, str(path), os.getpid())
    return session


def _leave(descriptor: int, name: str, process: int) -> None:
    os.close(descriptor)
    if os.getpid() == process:  # a forked child has a copy of the file, but does not own the session
        Path(name).unlink(missing_ok=True)


def oldest(folder: Path, *, but: StoreSession) -> float | None:
    """Returns when the oldest running session began, except `but`; None if there is no other. Removes dead ones."""
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
    """Locks an open file if it is not locked; closing the file releases the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
