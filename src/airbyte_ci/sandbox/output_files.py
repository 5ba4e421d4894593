"""Files that a sandbox wrote to a folder of this machine, read as hostile data.

This is the only way to open one. Links, pipes, devices, folders, additional hard links and files beyond the limit are
refused, never followed and never waited for.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# A folder with more names than this is not listed completely.
_NAME_LIMIT = 1000
# O_PATH opens no content: no pipe waits, and no device acts.
_LOOK = getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC


class OutputRefused(ValueError):
    """Why a file is not read, without its name."""


@contextlib.contextmanager
def open_output(folder: Path, path: str, limit: int, *, may_be_linked: bool = False) -> Iterator[BinaryIO]:
    """The regular file at a relative `path` below `folder`, of at most `limit` bytes.

    `folder` itself is airbyte-ci's. With `may_be_linked` it has a file system's second name only from inside of it.
    Raises OutputRefused for everything else, FileNotFoundError where nothing is there.
    """
    place = _find(folder, path)
    try:
        _check(os.fstat(place), limit, may_be_linked=may_be_linked)
        # Exactly the checked file, even if its name refers to another one by now.
        descriptor = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    finally:
        os.close(place)
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read_output(folder: Path, path: str, limit: int) -> bytes:
    """Returns all bytes of a file that `open_output` accepts."""
    with open_output(folder, path, limit) as file:
        return file.read(limit)


def list_outputs(folder: Path, path: str = "") -> list[str]:
    """The names in a folder that a sandbox filled, sorted: `folder` itself, or the one at a relative `path` below it.

    Raises OutputRefused where there are too many or it is no folder, FileNotFoundError where nothing is there.
    """
    place = _find(folder, path) if path else os.open(folder, _LOOK | os.O_DIRECTORY)
    names: list[str] = []
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            raise OutputRefused("it is not a folder")
        with os.scandir(f"/proc/self/fd/{place}") as items:
            for item in items:
                if len(names) == _NAME_LIMIT:
                    raise OutputRefused(f"it contains more than {_NAME_LIMIT} files")
                names.append(item.name)
    finally:
        os.close(place)
    return sorted(names)


def _find(folder: Path, path: str) -> int:
    """Returns a descriptor of a relative path without read access; follows no link."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise OutputRefused("its path leads outside its folder")
    place = os.open(folder, _LOOK | os.O_DIRECTORY)
    for part in parts:
        try:
            inner = os.open(part, _LOOK, dir_fd=place)
        except NotADirectoryError as error:
            raise OutputRefused("a parent folder is a link or a file") from error
        finally:
            os.close(place)
        place = inner
    return place


def _check(status: os.stat_result, limit: int, *, may_be_linked: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OutputRefused(f"it is {_kind(status.st_mode)}, not a regular file")
    if status.st_nlink != 1 and not may_be_linked:
        raise OutputRefused("it has another hard link elsewhere")
    if status.st_size > limit:
        raise OutputRefused(f"it has {status.st_size / 1e6:.0f} MB, more than {limit / 1e6:.0f} MB")


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"
