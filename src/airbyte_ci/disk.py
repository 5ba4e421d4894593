"""Files that several threads and processes write: each is replaced whole or not at all, by one writer at a time.

Every file of the product that can be seen half-written or written twice at once goes through here.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# File systems without locks: some network and FUSE mounts.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
# File names may have 255 bytes; the rest is for the mark and the random part.
_LONGEST = 200
# Of nested folders in a layer, a connector's folder or a tree that is removed with its kind: honest ones have 60.
DEPTH_LIMIT = 200
# A file may pretend to so many bytes that are not on the disk: they would be read, hashed and compressed all the same.
_HOLES = 1 << 30
_threads: dict[Path, threading.Lock] = {}
_threads_lock = threading.Lock()


def staging_name(path: Path, folder: Path | None = None) -> Path:
    """A name that nobody else uses, in the same folder (or `folder`), hidden, for what will replace `path`."""
    shown = path.name.encode()[:_LONGEST].decode(errors="ignore")
    return (folder or path.parent) / f".{shown}.{secrets.token_hex(8)}.partial"


@contextlib.contextmanager
def replace_file(path: Path, *, durable: bool = False, staging: Path | None = None) -> Iterator[BinaryIO]:
    """Gives a file that takes the place of `path` when the block ends well; otherwise `path` stays as it was.

    The file is written in `staging` (default: next to its place) under a name of its own. An existing file keeps its
    mode, and a link stays a link. What is not a regular file, as /dev/stdout, is written directly. A `durable` file
    survives a power cut. Raises OSError.
    """
    target = path.resolve()
    mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        with target.open("wb") as file:
            yield file
        return
    staged = staging_name(target, staging)
    # Not mkstemp: a new file gets the mode of the umask, as every program's files do.
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            if durable:
                os.fsync(file.fileno())
        staged.replace(target)
    finally:
        with contextlib.suppress(OSError):
            staged.unlink()


def write_file(path: Path, data: bytes, *, durable: bool = False, staging: Path | None = None) -> None:
    """Replaces a file by these bytes, whole or not at all; raises OSError."""
    with replace_file(path, durable=durable, staging=staging) as file:
        file.write(data)


def create_file(path: Path, data: bytes) -> None:
    """Makes a file that appears whole, unless there is one already, which stays; raises OSError."""
    if path.exists():
        return
    staged = staging_name(path)
    try:
        staged.write_bytes(data)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(staged)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        staged.replace(path)  # a file system without hard links
    finally:
        with contextlib.suppress(OSError):
            staged.unlink()


@contextlib.contextmanager
def lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Holds the lock of a file or folder for as long as the block; many may share it, one excludes all others.

    A file that is missing is made, empty. The lock excludes threads of this process and other processes; on a file
    system without locks, threads only. Raises OSError where the file cannot be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
    # On NFS a lock belongs to the whole process, so threads exclude each other here.
    with contextlib.nullcontext() if shared else _thread_lock(path):
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in _NO_LOCKS and not (error.errno == errno.EBADF and path.is_dir()):
                    raise
            yield
        finally:
            os.close(descriptor)


def _thread_lock(path: Path) -> threading.Lock:
    with _threads_lock:
        return _threads.setdefault(path.resolve(), threading.Lock())


def sparseness(status: os.stat_result) -> str:
    """Returns what is wrong with a file that pretends to far more bytes than it has on the disk; else nothing."""
    present = status.st_blocks * 512
    if stat.S_ISREG(status.st_mode) and status.st_size - present > _HOLES:
        return f"it is sparse: {status.st_size / 1e9:.1f} GB, of which {present / 1e9:.1f} GB are on the disk"
    return ""


def remove_tree(path: Path) -> None:
    """Removes a folder and all that is in it, however deep; what cannot be removed stays, without an error.

    No link is followed. A folder within a folder is moved to the top first: two open folders are enough for any depth,
    and no path grows longer than the system takes.
    """
    try:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        return
    try:
        waiting = _emptied(top)
        while waiting:
            waiting += _removed(top, waiting.pop())
    finally:
        os.close(top)
    with contextlib.suppress(OSError):
        path.rmdir()


def _emptied(folder: int) -> list[str]:
    """Removes what is no folder; the names of those that are."""
    folders = []
    for name in os.listdir(folder):
        try:
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                folders.append(name)
            else:
                os.unlink(name, dir_fd=folder)
        except OSError:
            continue
    return folders


def _removed(top: int, name: str) -> list[str]:
    """Removes one folder of the top; the folders that were in it are the top's from then on."""
    found: list[str] = []
    try:
        with contextlib.suppress(OSError):
            os.chmod(name, 0o700, dir_fd=top)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    except OSError:
        return found
    try:
        for below in _emptied(inner):
            moved = f".{secrets.token_hex(8)}"
            with contextlib.suppress(OSError):
                with contextlib.suppress(OSError):
                    os.chmod(below, 0o700, dir_fd=inner)
                os.rename(below, moved, src_dir_fd=inner, dst_dir_fd=top)
                found.append(moved)
    finally:
        os.close(inner)
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=top)
    return found
