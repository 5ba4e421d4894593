"""The files of a connector's folder that an image may have: no secrets, caches, byte code or editors' files.

Every reader of such a folder for an image uses this walk.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from airbyte_ci.connectors import hidden_files, leftovers
from airbyte_ci.disk import DEPTH_LIMIT, sparseness
from airbyte_ci.errors import ConnectorError
from airbyte_ci.records import dataclass

_LEFT_OUT = leftovers.FOLDERS | {".DS_Store"}


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A file, folder or link below a folder, by relative path; links are not followed."""

    path: str
    disk: Path
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.status.st_mode)

    @property
    def mode(self) -> int:
        """Returns a mode that is independent of the user's umask: only "executable or not" is part of the source."""
        return 0o755 if self.status.st_mode & stat.S_IXUSR else 0o644


def walk(folder: Path, left_out: Callable[[str], bool] = lambda _: False) -> Iterator[FolderFile]:
    """Returns everything below a folder, folders before their contents, in order of names.

    Raises ConnectorError for a folder that is deeper than any layer may be.
    """
    waiting = [("", folder)]
    while waiting:
        path, disk = waiting.pop()
        if path:
            status = disk.lstat()
            if not stat.S_ISDIR(status.st_mode):
                if wrong := sparseness(status):
                    raise ConnectorError(f"reading {folder}: {path}: {wrong}")
                if stat.S_ISLNK(status.st_mode) or stat.S_ISREG(status.st_mode):
                    yield FolderFile(path, disk, status)
                continue
            yield FolderFile(path, disk, status)
            if path.count("/") >= DEPTH_LIMIT:
                raise ConnectorError(f"reading {folder}: its folders are nested more than {DEPTH_LIMIT} deep")
        names = sorted((entry.name for entry in os.scandir(disk)), reverse=True)
        for name in names:
            inner = f"{path}/{name}" if path else name
            if not (_is_left_out(disk / name) or left_out(inner)):
                waiting.append((inner, disk / name))


def _is_left_out(path: Path) -> bool:
    name = path.name
    if name in _LEFT_OUT or leftovers.is_byte_code(name) or leftovers.is_of_editor(name):
        return True
    return hidden_files.is_secret(path)
