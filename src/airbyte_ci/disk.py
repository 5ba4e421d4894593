"""Writes files that several threads and processes share: atomically, and by one writer at a time.

Every file that another reader or writer could see half-written is written through this module.
"""

import contextlib
import errno
import fcntl
import os
import stat
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# Errors of file systems without locks: some network and FUSE mounts.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
# File names may have 255 bytes; the rest is for the random part and the suffix.
_LONGEST = 200
# The maximum depth of folders in a layer or a connector; real ones have up to 60 levels.
DEPTH_LIMIT = 200
# How many bytes of a sparse file may be missing on the disk: all of them would be read, hashed and compressed.
_HOLES = 1 << 30
_threads: dict[Path, threading.Lock] = {}
_threads_lock = threading.Lock()


def staging_name(path: Path, folder: Path | None = None) -> Path:
    """Returns a unique hidden name for the file that will replace `path`, in the same folder or in `folder`."""
    shown = path.name.encode()[:_LONGEST].decode(errors="ignore")
    return (folder or path.parent) / f".{shown}.{_chance()}.partial"


def _chance() -> str:
    """Returns 16 random characters for a name. (Importing `secrets` takes longer than most commands read files.)"""
    return os.urandom(8).hex()


def create_unique(folder: Path, prefix: str = "") -> tuple[int, Path]:
    """Creates an empty file with a unique name that only this user can read; returns its descriptor and path."""
    while True:
        path = folder / f"{prefix}{_chance()}"
        with contextlib.suppress(FileExistsError):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), path


def create_unique_folder(folder: Path) -> Path:
    """Creates an empty folder with a unique name that only this user can read."""
    while True:
        path = folder / _chance()
        with contextlib.suppress(FileExistsError):
            path.mkdir(0o700)
            return path


@contextlib.contextmanager
def replace_file(path: Path, *, durable: bool = False, staging: Path | None = None) -> Iterator[BinaryIO]:
    """Gives a file that replaces `path` if the block succeeds; otherwise `path` stays unchanged.

    The file is written in `staging` (default: the same folder) under a unique name. An existing file keeps its mode,
    and a link stays a link. A path that is not a regular file, such as /dev/stdout, is written directly. A `durable`
    file survives a power failure. Raises OSError.
    """
    target = path.resolve()
    mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        with target.open("wb") as file:
            yield file
        return
    staged = staging_name(target, staging)
    # Not mkstemp: the mode of a new file must follow the umask.
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
    """Replaces the contents of a file atomically; raises OSError."""
    with replace_file(path, durable=durable, staging=staging) as file:
        file.write(data)


def create_file(path: Path, data: bytes) -> None:
    """Creates a file atomically, and keeps an existing one; raises OSError."""
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
    """Holds the lock of a file or folder during the block: exclusively, or together with others if `shared`.

    A missing file is created empty. The lock excludes threads of this process and other processes; on a file system
    without locks, only threads. Raises OSError if the file cannot be opened.
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


class ByteLocks:
    """Locks that exclude other processes, but no threads of this one: one for each place (byte) of an empty file.

    The file is created at the first use and stays. No lock is stale, because the kernel releases those of a process
    that ends. Where a file system has no locks or cannot be written, each attempt succeeds.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opening = threading.Lock()
        self._file: int | None = None

    def take(self, place: int) -> bool:
        """Locks a place; returns False, without waiting, if another process has it."""
        try:
            fcntl.lockf(self._descriptor(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError as error:
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True

    def release(self, place: int) -> None:
        with contextlib.suppress(OSError):
            fcntl.lockf(self._descriptor(), fcntl.LOCK_UN, 1, place)

    def _descriptor(self) -> int:
        with self._opening:
            if self._file is None:
                try:
                    self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                except OSError as error:
                    raise OSError(errno.ENOLCK, error.strerror) from error
                weakref.finalize(self, os.close, self._file)
            return self._file


def sparseness(status: os.stat_result) -> str:
    """Returns an error text for a file whose size is far larger than its data on the disk; else an empty text."""
    present = status.st_blocks * 512
    if stat.S_ISREG(status.st_mode) and status.st_size - present > _HOLES:
        return f"it is sparse: {status.st_size / 1e9:.1f} GB, of which {present / 1e9:.1f} GB are on the disk"
    return ""


def remove_tree(path: Path) -> None:
    """Removes a folder and its contents at any depth; ignores files that cannot be removed.

    Does not follow links. Moves nested folders to the top first, so that two open folders suffice for any depth, and no
    path exceeds the system's limit.
    """
    try:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        return
    try:
        waiting = _empty(top)
        while waiting:
            waiting += _remove(top, waiting.pop())
    finally:
        os.close(top)
    with contextlib.suppress(OSError):
        path.rmdir()


def _empty(folder: int) -> list[str]:
    """Removes everything in a folder except subfolders, and returns the names of these."""
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


def _remove(top: int, name: str) -> list[str]:
    """Removes one subfolder of the top folder; moves its subfolders to the top and returns their names."""
    found: list[str] = []
    try:
        with contextlib.suppress(OSError):
            os.chmod(name, 0o700, dir_fd=top)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    except OSError:
        return found
    try:
        for below in _empty(inner):
            moved = f".{_chance()}"
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
