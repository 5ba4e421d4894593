"""A root file system as a stack of folders, read as overlayfs would show it, without mounting anything.

Paths are resolved inside the stack: a symbolic link can point anywhere and still never leads out of it.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airbyte_ci.errors import ImageError
from airbyte_ci.rootfs import user_namespace

# Text files of an image: package lists, RECORD files, files that a hook reads.
_READ_LIMIT = 256 << 20
_LINK_LIMIT = 40
# The number of paths cached per layer; further paths are looked up again.
_KEPT = 50_000
# In a user namespace only these attributes can be set, and an overlayfs option selects them.
_OPAQUE_XATTRS = ("trusted.overlay.opaque", "user.overlay.opaque")


def opaque_attribute() -> str:
    """Returns the name of the attribute with which overlayfs, as this process mounts it, hides lower folders."""
    return _OPAQUE_XATTRS[user_namespace.inside()]


def mount_options() -> str:
    """Returns the overlayfs options for that name, and for copying whole files on changes."""
    # With `userxattr` the other two options are off and must not be given.
    return ",index=off,userxattr" if user_namespace.inside() else ",index=off,redirect_dir=off,metacopy=off"


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A path's place in the image (links resolved), the file on disk, and its status."""

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
    """Whether overlayfs marks a name as removed: a character device 0:0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(folder: Path | str) -> bool:
    """Whether overlayfs hides the content of lower layers below this folder."""
    try:
        return os.getxattr(folder, opaque_attribute(), follow_symlinks=False) == b"y"
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Says:
    """One layer's entry for a path: its status, and whether lower layers are visible there as well."""

    status: os.stat_result | None
    is_open: bool

    @property
    def is_dir(self) -> bool:
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)


_NOTHING = Says(None, is_open=True)
_GONE = Says(None, is_open=False)


class UnpackedLayer:
    """One unpacked layer by itself. No part of a path below its folder is ever followed as a link.

    Its metadata is kept in memory, so the layer must not change. Of a layer that `changes`, only real folders are kept,
    and code that removes or hides one must call `forget`: files created below it would follow another's links.
    """

    def __init__(self, folder: Path, *, changes: bool = False) -> None:
        self.folder = folder
        self._disk = str(folder)
        self._changes = changes
        self._known: dict[str, Says] = {}

    def disk(self, path: str) -> str:
        """Returns the location of a path in the layer, whether it exists or not."""
        return f"{self._disk}/{path}" if path else self._disk

    def look(self, path: str) -> Says:
        """Returns the layer's entry for a path, which is relative to the root without `.`, `..` or empty parts."""
        known = self._known
        place, names = path, []
        while (says := known.get(place)) is None and place:
            place, _, name = place.rpartition("/")
            names.append(name)
        if says is None:
            says = self._keep("", Says(os.lstat(self._disk), is_open=True))  # hot
        while names:
            if not says.is_dir:
                return _NOTHING if says.is_open else _GONE
            name = names.pop()
            place = f"{place}/{name}" if place else name
            says = self._keep(place, self._ask(place, is_open=says.is_open))
        return says

    def _ask(self, path: str, *, is_open: bool) -> Says:
        """Returns the entry if the parent is a real folder of this layer; `is_open` means that lower layers are
        visible.
        """
        disk = f"{self._disk}/{path}"
        try:
            status = os.lstat(disk)  # hot
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
                raise
            return _NOTHING if is_open else _GONE
        if is_whiteout(status):
            return _GONE
        return Says(status, is_open and stat.S_ISDIR(status.st_mode) and not is_opaque(disk))

    def _keep(self, path: str, says: Says) -> Says:
        if not self._changes or says.is_dir:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[path] = says
        return says

    def forget(self) -> None:
        """Removes a deleted or hidden folder from the cache."""
        self._known.clear()


def follow(path: str, look: Callable[[str], TreeNode | None], *, follow_last: bool = True) -> TreeNode | None:
    """The path with every symbolic link followed, by a `look` at paths without any; None where it leads nowhere.

    Raises ImageError where it never ends.
    """
    pending = components(path)
    here = look("")
    root = here
    # The folders on the way; `..` of the root is the root.
    places = [here]
    links = 0
    while pending:
        name = pending.pop()
        if name == "..":
            places = places[:-1] or [root]
            continue
        parent = places[-1]
        here = look(f"{parent.path}/{name}" if parent and parent.path else name)
        if here is None:
            return None
        if here.is_link and (pending or follow_last):
            links += 1
            if links > _LINK_LIMIT:
                raise ImageError(f"/{path} in the image is a loop of symbolic links")
            target = str(here.disk.readlink())
            if target.startswith("/"):
                places = [root]
            pending += components(target)
            continue
        places.append(here)
    return places[-1]


def components(path: str) -> list[str]:
    """Returns a path's parts, the last one first."""
    return [part for part in path.split("/") if part not in ("", ".")][::-1]


@dataclass(frozen=True, slots=True)
class Tree:
    """Unpacked layers, newest first. All paths are relative to the image's root, `usr/bin/env`.

    The layers must stay as they are while a tree looks at them.
    """

    layers: tuple[Path, ...]
    _stack: tuple[UnpackedLayer, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self._stack) != len(self.layers):
            object.__setattr__(self, "_stack", tuple(UnpackedLayer(layer) for layer in self.layers))

    def over(self, folder: Path) -> "Tree":
        """Returns this tree below one more layer; its cache remains valid."""
        return Tree((folder, *self.layers), (UnpackedLayer(folder), *self._stack))

    def entry(self, path: str) -> TreeNode | None:
        """Returns the path itself without following its last component; its parents must be real directories."""
        for layer in self._stack:
            says = layer.look(path)
            if says.status is not None:
                return TreeNode(path, Path(layer.disk(path)), says.status)
            if not says.is_open:
                return None
        return None

    def resolve(self, path: str, *, follow_last: bool = True) -> TreeNode | None:
        """Returns the path with every symbolic link resolved inside the stack; None if it does not exist."""
        return follow(path, self.entry, follow_last=follow_last)

    def read(self, path: str) -> bytes | None:
        """Returns a regular file's bytes, or None if it does not exist; raises ImageError if it is too large."""
        node = self.resolve(path)
        return read_node(node) if node else None

    def names(self, path: str) -> list[str]:
        """Returns the names in a folder, sorted; empty if it does not exist."""
        node = self.resolve(path)
        return [name for name, _ in _merged(self._folders(node.path))] if node else []

    def walk(self, path: str, left_out: Collection[str] = ()) -> Iterator[TreeNode]:
        """Yields everything below a folder in name order, parents first; follows no link.

        Files and folders with a name that is `left_out`, and all below them, are not read.
        """
        return _walk(path, self._folders(path), left_out)

    def _folders(self, path: str) -> list[str]:
        """Returns the folders on disk that form one folder of the image, newest first; none for other kinds."""
        found = []
        for layer in self._stack:
            says = layer.look(path)
            if says.status is not None:
                if not says.is_dir:
                    break
                found.append(layer.disk(path))
            if not says.is_open:
                break
        return found


def read_node(node: TreeNode) -> bytes | None:
    """Returns the bytes of a regular file, None for another kind; raises ImageError if it is too large."""
    if not stat.S_ISREG(node.status.st_mode):
        return None
    if node.status.st_size > _READ_LIMIT:
        raise ImageError(f"/{node.path} in the image is too large to read: {node.status.st_size / 1e6:.0f} MB")
    return node.disk.read_bytes()


def _merged(folders: Sequence[str]) -> list[tuple[str, list[os.DirEntry[str]]]]:
    """Returns the sorted names in folders that form one folder, with each folder's entry, newest first."""
    found: dict[str, list[os.DirEntry[str]]] = {}
    for folder in folders:
        with os.scandir(folder) as items:
            for item in items:
                found.setdefault(item.name, []).append(item)
    return [(name, found[name]) for name in sorted(found) if not _is_whiteout(found[name][0])]


def _is_whiteout(item: os.DirEntry[str]) -> bool:
    # Listing a folder reports most kinds without a separate query for each file.
    if item.is_file(follow_symlinks=False) or item.is_dir(follow_symlinks=False) or item.is_symlink():
        return False
    return is_whiteout(item.stat(follow_symlinks=False))


def _walk(path: str, folders: Sequence[str], left_out: Collection[str]) -> Iterator[TreeNode]:
    for name, items in _merged(folders):
        if name in left_out:
            continue
        place = f"{path}/{name}" if path else name
        yield TreeNode(place, Path(items[0].path), items[0].stat(follow_symlinks=False))
        # Folders merge until a layer has another kind there or hides those below.
        below = []
        for item in items:
            if not item.is_dir(follow_symlinks=False):
                break
            below.append(item.path)
            if is_opaque(item.path):
                break
        if below:
            yield from _walk(place, below, left_out)
