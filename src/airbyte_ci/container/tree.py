"""A root file system as a stack of folders, read as overlayfs would show it, without mounting anything.

Paths are resolved inside the stack: a symbolic link can point anywhere and still never leads out of it.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.errors import ImageError

_LINK_LIMIT = 40
OPAQUE_XATTR = "trusted.overlay.opaque"


@dataclass(frozen=True, slots=True)
class Node:
    """What a path is: its place in the image (links resolved), the file on disk, and its status."""

    path: str
    disk: Path
    status: os.stat_result

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.status.st_mode)


def is_whiteout(status: os.stat_result) -> bool:
    """overlayfs marks a removed name by a character device 0:0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(folder: Path) -> bool:
    """Whether overlayfs hides everything below this folder's name in the lower layers."""
    try:
        return os.getxattr(folder, OPAQUE_XATTR, follow_symlinks=False) == b"y"
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Tree:
    """Unpacked layers, newest first. All paths are relative to the image's root, `usr/bin/env`."""

    layers: tuple[Path, ...]

    def entry(self, path: str) -> Node | None:
        """The path itself, its last component not followed; its parents must be real directories of the stack."""
        return next(self._nodes(path), None)

    def _nodes(self, path: str) -> Iterator[Node]:
        """The path in each layer that has it, newest first, as far down as nothing hides the layers below."""
        parts = path.split("/") if path else []
        for layer in self.layers:
            disk, status = layer, layer.lstat()
            hidden = False
            for part in parts:
                if not stat.S_ISDIR(status.st_mode):
                    return
                hidden = hidden or (disk != layer and is_opaque(disk))
                disk = disk / part
                try:
                    status = disk.lstat()
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
                        raise
                    break
                if is_whiteout(status):
                    return
            else:
                yield Node(path, disk, status)
            if hidden:
                return

    def resolve(self, path: str, *, follow_last: bool = True) -> Node | None:
        """The path with every symbolic link followed inside the stack; None where it leads nowhere."""
        pending = [part for part in path.split("/") if part not in ("", ".")][::-1]
        current: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                del current[-1:]
                continue
            node = self.entry("/".join([*current, part]))
            if node is None:
                return None
            if node.is_link and (pending or follow_last):
                links += 1
                if links > _LINK_LIMIT:
                    raise ImageError(f"/{path} in the image is a loop of symbolic links")
                target = str(node.disk.readlink())
                if target.startswith("/"):
                    current = []
                pending += [piece for piece in target.split("/") if piece not in ("", ".")][::-1]
                continue
            current.append(part)
        return self.entry("/".join(current))

    def read(self, path: str) -> bytes | None:
        """A regular file's bytes, or None where there is none."""
        node = self.resolve(path)
        if node is None or not stat.S_ISREG(node.status.st_mode):
            return None
        return node.disk.read_bytes()

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted; empty where there is no such folder."""
        folder = self.resolve(path)
        if folder is None:
            return []
        seen: dict[str, bool] = {}
        for node in self._nodes(folder.path):
            if not node.is_dir:
                break
            for item in os.scandir(node.disk):
                seen.setdefault(item.name, not is_whiteout(item.stat(follow_symlinks=False)))
            if folder.path and is_opaque(node.disk):
                break
        return sorted(name for name, there in seen.items() if there)

    def walk(self, path: str) -> Iterator[Node]:
        """Everything below a folder, folders before what they hold, in name order; links are not followed."""
        for name in self.names(path):
            node = self.entry(_join(path, name))
            if node is None:
                continue
            yield node
            if node.is_dir:
                yield from self.walk(node.path)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
