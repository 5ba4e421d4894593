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


# A path as overlayfs sees it: its node in each layer that shows through, newest first; empty where there is nothing.
_Place = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """Unpacked layers, newest first. All paths are relative to the image's root, `usr/bin/env`."""

    layers: tuple[Path, ...]

    def entry(self, path: str) -> Node | None:
        """The path itself, its last component not followed; its parents must be real directories of the stack."""
        place = self._root()
        for name in path.split("/") if path else []:
            place = _below(place, name)
        return place[0] if place else None

    def resolve(self, path: str, *, follow_last: bool = True) -> Node | None:
        """The path with every symbolic link followed inside the stack; None where it leads nowhere."""
        place = self._resolve(path, follow_last)
        return place[0] if place else None

    def _root(self) -> _Place:
        return tuple(Node("", layer, layer.lstat()) for layer in self.layers)

    def _resolve(self, path: str, follow_last: bool) -> _Place:
        pending = _components(path)
        root = self._root()
        places = [root]
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                places = places[:-1] or [root]
                continue
            place = _below(places[-1], name)
            if not place:
                return ()
            if place[0].is_link and (pending or follow_last):
                links += 1
                if links > _LINK_LIMIT:
                    raise ImageError(f"/{path} in the image is a loop of symbolic links")
                target = str(place[0].disk.readlink())
                if target.startswith("/"):
                    places = [root]
                pending += _components(target)
                continue
            places.append(place)
        return places[-1]

    def read(self, path: str) -> bytes | None:
        """A regular file's bytes, or None where there is none."""
        node = self.resolve(path)
        if node is None or not stat.S_ISREG(node.status.st_mode):
            return None
        return node.disk.read_bytes()

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted; empty where there is no such folder."""
        return _names(self._resolve(path, follow_last=True))

    def walk(self, path: str) -> Iterator[Node]:
        """Everything below a folder, folders before what they hold, in name order; links are not followed."""
        place = self._root()
        for name in path.split("/") if path else []:
            place = _below(place, name)
        return _walk(place)


def _components(path: str) -> list[str]:
    """A path's parts, the last one first."""
    return [part for part in path.split("/") if part not in ("", ".")][::-1]


def _below(folder: _Place, name: str) -> _Place:
    """What a name in a folder is. Folders merge, until a layer has something else there or hides those below."""
    found: list[Node] = []
    for node in folder if folder and folder[0].is_dir else ():
        disk = node.disk / name
        try:
            status = disk.lstat()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
                raise
            continue
        if is_whiteout(status) or (found and not stat.S_ISDIR(status.st_mode)):
            break
        found.append(Node(f"{node.path}/{name}" if node.path else name, disk, status))
        if not stat.S_ISDIR(status.st_mode) or is_opaque(disk):
            break
    return tuple(found)


def _names(folder: _Place) -> list[str]:
    seen: dict[str, bool] = {}
    for node in folder if folder and folder[0].is_dir else ():
        for item in os.scandir(node.disk):
            seen.setdefault(item.name, not is_whiteout(item.stat(follow_symlinks=False)))
    return sorted(name for name, there in seen.items() if there)


def _walk(folder: _Place) -> Iterator[Node]:
    for name in _names(folder):
        if place := _below(folder, name):
            yield place[0]
            yield from _walk(place)
