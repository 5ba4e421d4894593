"""Unpacking: the entries of one layer become files in a new folder that overlayfs can stack on the layers below.

Nothing in a layer is trusted: no link is ever followed by the kernel. Each entry's parent is resolved in the stack,
rebuilt as real folders in the new layer, and the entry is created there under a name that was removed first (the
escapes that lexical checks miss: umoci CVE-2021-29136, CPython gh-135034).
"""

import contextlib
import os
import shutil
import stat
import tarfile
from pathlib import Path

from airbyte_ci.disk import DEPTH_LIMIT, remove_tree
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.tar import OPAQUE, WHITEOUT
from airbyte_ci.rootfs import tree
from airbyte_ci.rootfs.archive import Stream, check_size
from airbyte_ci.rootfs.asked import RecordingTree
from airbyte_ci.rootfs.tree import TreeNode, UnpackedLayer

_ENTRY_LIMIT = 2_000_000
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create_all(stream: Stream, folder: Path, below: RecordingTree) -> None:
    """Extracts an archive into an empty folder, as the top of the layers below.

    Raises ImageError for invalid content of a layer, and the errors of Python's reader for an invalid archive.
    """
    # The root has the attributes of the layers below until this layer changes them; our umask never matters.
    root = below.node("")
    _give(str(folder), root.status if root else None)
    unpacking = _Unpacking(stream, UnpackedLayer(folder, changes=True), below)
    count = size = 0
    for member in stream.entries():
        count, size = count + 1, size + member.size
        if count > _ENTRY_LIMIT:
            raise ImageError(f"a layer has more than {_ENTRY_LIMIT} entries")
        # A sparse entry may be larger than its archive.
        check_size(size if member.size >= 0 else -1)
        unpacking.create(member)


class _Unpacking:
    """A layer that grows, and the layers below it: together the image as far as it has come.

    Paths are relative to the image's root; `real` ones have no links on the way. Everything is looked up on disk but
    the layer's real folders: they are known from the first look on, until one of them is removed or hidden.
    """

    def __init__(self, stream: Stream, top: UnpackedLayer, below: RecordingTree) -> None:
        self._stream = stream
        self._top = top
        self._below = below

    def create(self, member: tarfile.TarInfo) -> None:
        """Creates one entry."""
        path = _clean(member.name)
        if not path:
            _own(self._top.disk(""), member)
            return
        parent, _, name = path.rpartition("/")
        real = self._folder(parent)
        place = f"{real}/{name}" if real else name
        if name.startswith(WHITEOUT):
            self._hide(real, name)
        elif member.isdir():
            self._make_folder(place)
            _own(self._top.disk(place), member)
        elif member.isreg() and not member.issparse():
            self._write(member, place)
        else:
            self._remove(place)
            self._make(member, self._top.disk(place))

    # --- places ----------------------------------------------------------------------------------

    def _look(self, path: str) -> TreeNode | None:
        """Returns the image's entry at a real path so far."""
        says = self._top.look(path)
        if says.status is not None:
            return TreeNode(path, Path(self._top.disk(path)), says.status)
        return self._below.node(path) if says.is_open else None

    def _folder(self, path: str) -> str:
        """Returns the real folder of the new layer for entries of `path`."""
        if self._top.look(path).is_dir:
            return path
        node = tree.follow(path, self._look)
        if node is None:
            parent, _, name = path.rpartition("/")
            real = self._folder(parent)
            real = f"{real}/{name}" if real else name
            _check_depth(real)
            self._make_folder(real)
            _give(self._top.disk(real), None)
            return real
        if not node.is_dir:
            raise ImageError(f"a layer puts a file below /{path}, which is not a folder")
        _check_depth(node.path)
        if not self._top.look(node.path).is_dir:
            self._copy_up(node)
        return node.path

    def _copy_up(self, node: TreeNode) -> None:
        """Creates a folder of the lower layers in the new layer, with the same owner and mode."""
        self._folder(node.path.rpartition("/")[0])
        disk = self._top.disk(node.path)
        os.mkdir(disk)  # noqa: PTH102
        _give(disk, node.status)

    def _make_folder(self, real: str) -> None:
        """A folder, empty where it takes the place of a whiteout or a file: what the layers below have stays hidden."""
        disk = self._top.disk(real)
        try:
            os.mkdir(disk)  # noqa: PTH102  # hot
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(disk).st_mode):
                return
            os.unlink(disk)  # noqa: PTH108
            os.mkdir(disk)  # noqa: PTH102
            self._set_opaque(disk)

    def _remove(self, real: str) -> None:
        disk = self._top.disk(real)
        try:
            os.unlink(disk)  # noqa: PTH108  # hot
        except FileNotFoundError:
            return
        except IsADirectoryError:
            self._top.forget()
            remove_tree(Path(disk))

    # --- whiteouts -------------------------------------------------------------------------------

    def _hide(self, folder: str, name: str) -> None:
        if name != OPAQUE:
            self._white_out(folder, name.removeprefix(WHITEOUT))
        elif folder:
            self._set_opaque(self._top.disk(folder))
        else:
            # overlayfs does not honor an opaque root, so each name there is removed.
            for below in self._below.names():
                self._white_out("", below)

    def _white_out(self, folder: str, name: str) -> None:
        """Applies a whiteout to the layers below, never to entries of its own layer (layer.md#whiteouts)."""
        if name in ("", ".", ".."):
            raise ImageError(f"a layer has a whiteout with a forbidden name: {name!r}")
        real = f"{folder}/{name}" if folder else name
        says = self._top.look(real)
        if says.is_dir:
            self._set_opaque(self._top.disk(real))
        elif says.status is None and says.is_open and self._below.has(real):
            os.mknod(self._top.disk(real), stat.S_IFCHR | 0o000, os.makedev(0, 0))

    def _set_opaque(self, folder: str) -> None:
        # Without a layer below, overlayfs would list the folder's whiteouts as names that cannot be opened.
        for place, _, names in os.walk(folder):
            for name in names:
                disk = Path(place, name)
                if tree.is_whiteout(disk.lstat()):
                    disk.unlink()
        os.setxattr(folder, tree.opaque_attribute(), b"y", follow_symlinks=False)
        self._top.forget()

    # --- files -----------------------------------------------------------------------------------

    def _write(self, member: tarfile.TarInfo, real: str) -> None:
        disk = self._top.disk(real)
        try:
            file = os.open(disk, _NEW_FILE, 0o600)
        except FileExistsError:
            self._remove(real)
            file = os.open(disk, _NEW_FILE, 0o600)
        try:
            self._stream.seek(member.offset_data)
            for part in self._stream.content(member.size):
                written = os.write(file, part)
                while written < len(part):
                    written += os.write(file, part[written:])
            os.fchown(file, member.uid, member.gid)
            os.fchmod(file, member.mode & 0o7777)
        finally:
            os.close(file)
        _set_attributes(disk, member)

    def _make(self, member: tarfile.TarInfo, disk: str) -> None:
        if member.islnk():
            self._link(member, disk)
            return
        if member.issym():
            os.symlink(member.linkname, disk)  # noqa: PTH211
        elif member.isreg():
            with os.fdopen(os.open(disk, _NEW_FILE, 0o600), "wb") as target:
                shutil.copyfileobj(self._stream.extract(member), target, 1 << 20)
        elif member.ischr() or member.isblk() or member.isfifo():
            if member.ischr() and (member.devmajor, member.devminor) == (0, 0):
                raise ImageError(f"a layer has a device 0:0 at {member.name!r}, which would hide a file")
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK if member.isblk() else stat.S_IFIFO
            os.mknod(disk, kind | 0o600, os.makedev(member.devmajor, member.devminor))
        else:
            raise ImageError(f"a layer has an entry of an unknown kind: {member.name!r}")
        _own(disk, member)

    def _link(self, member: tarfile.TarInfo, disk: str) -> None:
        """Creates a hard link to a file of this layer, or a copy of one below, with the target's owner and mode."""
        target = tree.follow(_clean(member.linkname), self._look, follow_last=False)
        if target is None or target.is_dir:
            raise ImageError(f"a layer has a hard link to {member.linkname!r}, which is not a file in the image")
        if self._top.look(target.path).status is not None:
            os.link(target.disk, disk, follow_symlinks=False)
        elif not stat.S_ISREG(target.status.st_mode) and not target.is_link:
            raise ImageError(f"a layer has a hard link to {member.linkname!r}, a device of a layer below")
        else:
            self._below.depends_on_contents()
            shutil.copyfile(target.disk, disk, follow_symlinks=False)
            os.lchown(disk, target.status.st_uid, target.status.st_gid)
            # After the owner, because changing it removes set-user-ID bits and capabilities.
            shutil.copystat(target.disk, disk, follow_symlinks=False)


def _clean(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name or len(parts) > DEPTH_LIMIT:
        raise ImageError(f"a layer has an entry with a forbidden name: {name[:80]!r}")
    return "/".join(parts)


def _check_depth(real: str) -> None:
    if real.count("/") >= DEPTH_LIMIT:
        raise ImageError(f"a layer has an entry in more than {DEPTH_LIMIT} folders: {real[:80]!r}…")


def _give(folder: str, status: os.stat_result | None) -> None:
    """Sets a folder's owner and mode to another folder's, or to the defaults."""
    if status:
        os.chown(folder, status.st_uid, status.st_gid)
    os.chmod(folder, stat.S_IMODE(status.st_mode) if status else 0o755)  # noqa: PTH101


def _own(disk: str, member: tarfile.TarInfo) -> None:
    os.lchown(disk, member.uid, member.gid)
    if not member.issym():
        os.chmod(disk, member.mode & 0o7777)  # noqa: PTH101  # hot
    _set_attributes(disk, member)


def _set_attributes(disk: str, member: tarfile.TarInfo) -> None:
    for key, value in member.pax_headers.items():
        if key.startswith("SCHILY.xattr.") and not key.startswith("SCHILY.xattr.trusted.overlay"):
            name = key.removeprefix("SCHILY.xattr.")
            raw = value.encode("utf-8", "surrogateescape")
            with contextlib.suppress(OSError):  # The file system lacks this kind of attribute.
                os.setxattr(disk, name, raw, follow_symlinks=False)
