"""Snapshots: layers unpacked on disk, each in a folder of its own that overlayfs can stack.

Unpacking trusts nothing in a layer: no link is ever followed by the kernel. Each entry's parent is resolved in the
stack by `Tree`, rebuilt as real folders in the new snapshot, and the entry is created there under a name that was
removed first (the escapes that lexical checks miss: umoci CVE-2021-29136, CPython gh-135034).
"""

import contextlib
import errno
import fcntl
import gzip
import hashlib
import io
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.container.tree import OPAQUE_XATTR, Node, Tree, is_whiteout
from airbyte_ci.errors import AirbyteCiError, DigestMismatch, ImageError, StoreError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.oci.store import Store
from airbyte_ci.oci.tar import OPAQUE, WHITEOUT

_FORMAT = 2
_ENTRY_LIMIT = 2_000_000
_SIZE_LIMIT = 20 << 30
# Headers that describe the next entry (long names, attributes) are read into memory whole.
_READ_LIMIT = 1 << 20
_DEPTH_LIMIT = 200
# What the disk can be blamed for; every other refusal of the kernel is about what the layer says.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)

_EMPTY = Tree(())


@dataclass(frozen=True, slots=True)
class Stack:
    """Unpacked layers with the name of their chain, from which the next snapshot's name follows."""

    tree: Tree = _EMPTY
    chain: str = f"airbyte-ci-snapshot-{_FORMAT}"

    def push(self, store: Store, descriptor: Descriptor, diff_id: Digest) -> "Stack":
        """The stack with a layer on top, unpacked if it is not yet; raises ImageError, BlobNotFound."""
        chain = hashlib.sha256(f"{self.chain} {diff_id}".encode()).hexdigest()
        # Half of the digest keeps the mount options of many layers within the kernel's one page.
        folder = store.root / "snapshots" / chain[:32]
        if not store.use(folder):
            _unpack_locked(store, folder, self.tree, descriptor, diff_id)
        return Stack(Tree((folder, *self.tree.layers)), chain)

    def push_folder(self, folder: Path) -> "Stack":
        """The stack with a command's own changes on top."""
        chain = hashlib.sha256(f"{self.chain} {folder.name}".encode()).hexdigest()
        return Stack(Tree((folder, *self.tree.layers)), chain)


def unpack(store: Store, layers: Sequence[tuple[Descriptor, Digest]]) -> Stack:
    """The layers (oldest first), unpacking those that are not."""
    stack = Stack()
    for descriptor, diff_id in layers:
        stack = stack.push(store, descriptor, diff_id)
    return stack


def _unpack_locked(store: Store, folder: Path, below: Tree, descriptor: Descriptor, diff_id: Digest) -> None:
    store.size(descriptor.digest)  # raises BlobNotFound before anything is made
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # another process was faster
            return
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        store.require_space(3 * descriptor.size)
        try:
            partial.mkdir()
            _own_root(partial, below)
            _apply(store, descriptor, diff_id, Tree((partial, *below.layers)))
            partial.replace(folder)
        except OSError as error:
            kind = StoreError if error.errno in _DISK_ERRORS else ImageError
            raise kind(f"unpacking layer {diff_id.short}: {error.strerror} ({error.filename})") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _own_root(partial: Path, below: Tree) -> None:
    """The root is what the layers below say, until this one says otherwise; never what our umask says."""
    root = below.entry("")
    partial.chmod(stat.S_IMODE(root.status.st_mode) if root else 0o755)
    if root:
        os.chown(partial, root.status.st_uid, root.status.st_gid)


class _Stream(io.RawIOBase):
    """The uncompressed bytes, forwards only: hashed, and stopped when a layer or one of its headers is without end."""

    def __init__(self, source: io.BufferedIOBase) -> None:
        self._source = source
        self.hasher = hashlib.sha256()
        self.last = b""
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _READ_LIMIT:
            raise ImageError(f"a layer has a header of {size} bytes before an entry")
        self.last = data = self._source.read(size)
        self.hasher.update(data)
        self._position += len(data)
        if self._position > _SIZE_LIMIT:
            raise ImageError(f"a layer unpacks to more than {_SIZE_LIMIT >> 30} GiB")
        return data

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self._position:
            raise ImageError("a layer has an entry of a negative size")
        while offset > self._position and self.read(min(offset - self._position, _READ_LIMIT)):
            pass
        return self._position


def _apply(store: Store, descriptor: Descriptor, diff_id: Digest, tree: Tree) -> None:
    # The gzip trailer's checksum and the diffID are both verified; the compressed bytes were when they came.
    with store.path(descriptor.digest).open("rb") as blob:
        plain: io.BufferedIOBase = gzip.GzipFile(fileobj=blob) if _is_gzip(blob) else blob
        stream = _Stream(plain)
        try:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                _create_all(archive, tree)
            if stream.last.strip(b"\0"):  # Python's reader takes anything but a header for the end
                raise ImageError(f"layer {diff_id.short} has a broken header after its first entries")
            while stream.read(_READ_LIMIT):
                pass  # the padding after the end marker belongs to the diffID too
        except AirbyteCiError:
            raise
        except _UNREADABLE as error:
            raise ImageError(f"layer {diff_id.short} is not a readable archive ({error})") from error
    if stream.hasher.hexdigest() != diff_id.hex:
        raise DigestMismatch(f"layer {descriptor.digest.short} does not unpack to its diffID {diff_id.short}")


# What the readers of gzip and tar raise for bytes that are neither, and the kernel's interface for absurd numbers.
_UNREADABLE = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError, OverflowError, RecursionError)


def _create_all(archive: tarfile.TarFile, tree: Tree) -> None:
    count = size = 0
    while (member := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # it would remember every entry
        count, size = count + 1, size + member.size
        if count > _ENTRY_LIMIT:
            raise ImageError(f"a layer has more than {_ENTRY_LIMIT} entries")
        # A sparse entry may be larger than the archive that it comes in.
        if member.size < 0 or size > _SIZE_LIMIT:
            raise ImageError(f"a layer unpacks to more than {_SIZE_LIMIT >> 30} GiB")
        _create(member, archive, tree)


def _is_gzip(blob: io.BufferedIOBase) -> bool:
    magic = blob.read(4)
    blob.seek(0)
    if magic == b"\x28\xb5\x2f\xfd":
        raise ImageError("a layer is compressed with zstd, which cannot be unpacked yet")
    return magic.startswith(b"\x1f\x8b")


def _create(member: tarfile.TarInfo, archive: tarfile.TarFile, tree: Tree) -> None:
    path = _clean(member.name)
    if not path:
        _own(tree.layers[0], member)
        return
    parent, _, name = path.rpartition("/")
    folder = _real_folder(parent, tree)
    if len(folder.relative_to(tree.layers[0]).parts) > _DEPTH_LIMIT:
        raise ImageError(f"a layer has an entry in more than {_DEPTH_LIMIT} folders: {member.name[:80]!r}…")
    if name == OPAQUE:
        _hide_below(folder, tree)
    elif name.startswith(WHITEOUT):
        _white_out(folder, name.removeprefix(WHITEOUT), tree)
    elif member.isdir():
        _make_folder(folder / name)
        _own(folder / name, member)
    else:
        disk = folder / name
        _remove(disk)
        if member.islnk():
            _link(member, tree, disk)
        else:
            _make(member, archive, disk)
            _own(disk, member)


def _clean(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name or len(parts) > _DEPTH_LIMIT:
        raise ImageError(f"a layer has an entry with a forbidden name: {name[:80]!r}")
    return "/".join(parts)


def _real_folder(path: str, tree: Tree) -> Path:
    """The folder of the new snapshot in which entries of `path` are made: links resolved, all parts real."""
    top = tree.layers[0]
    node = tree.resolve(path)
    if node is None:
        parent, _, name = path.rpartition("/")
        disk = _real_folder(parent, tree) / name
        _make_folder(disk)
        disk.chmod(0o755)
        return disk
    if not node.is_dir:
        raise ImageError(f"a layer puts a file below /{path}, which is not a folder")
    return top / node.path if node.disk == top / node.path else _copy_up(node, tree)


def _copy_up(node: Node, tree: Tree) -> Path:
    """A folder that only lower layers have, made in the new one with the same owner and mode."""
    parent, _, name = node.path.rpartition("/")
    disk = _real_folder(parent, tree) / name
    disk.mkdir()
    os.chown(disk, node.status.st_uid, node.status.st_gid)
    disk.chmod(stat.S_IMODE(node.status.st_mode))
    return disk


def _make_folder(disk: Path) -> None:
    """A folder, empty where it takes the place of a whiteout or a file: what the layers below have stays hidden."""
    try:
        disk.mkdir()
    except FileExistsError:
        if not disk.is_symlink() and disk.is_dir():
            return
        disk.unlink()
        disk.mkdir()
        _set_opaque(disk)


def _remove(disk: Path) -> None:
    try:
        disk.unlink()
    except FileNotFoundError:
        return
    except IsADirectoryError:
        shutil.rmtree(disk)


def _set_opaque(folder: Path) -> None:
    # With nothing below, overlayfs would list the folder's whiteouts as names that nobody can open.
    for place, _, names in os.walk(folder):
        for name in names:
            disk = Path(place, name)
            if is_whiteout(disk.lstat()):
                disk.unlink()
    os.setxattr(folder, OPAQUE_XATTR, b"y", follow_symlinks=False)


def _hide_below(folder: Path, tree: Tree) -> None:
    """An opaque whiteout; overlayfs does not honour one in the root, so there each name is removed."""
    if folder != tree.layers[0]:
        _set_opaque(folder)
        return
    for name in Tree(tree.layers[1:]).names(""):
        _white_out(folder, name, tree)


def _white_out(folder: Path, name: str, tree: Tree) -> None:
    """A whiteout speaks of the layers below, never of entries of its own layer (layer.md#whiteouts)."""
    if name in ("", ".", ".."):
        raise ImageError(f"a layer has a whiteout with a forbidden name: {name!r}")
    disk = folder / name
    found = tree.entry(str(disk.relative_to(tree.layers[0])))
    if found is None:
        return
    if found.disk != disk:
        os.mknod(disk, stat.S_IFCHR | 0o000, os.makedev(0, 0))
    elif found.is_dir:
        _set_opaque(disk)


def _link(member: tarfile.TarInfo, tree: Tree, disk: Path) -> None:
    """A hard link to a file of this layer, or a copy of a file below: either way owner and mode are the target's."""
    target = tree.resolve(_clean(member.linkname), follow_last=False)
    if target is None or target.is_dir:
        raise ImageError(f"a layer has a hard link to {member.linkname!r}, which is not a file in the image")
    if target.disk.is_relative_to(tree.layers[0]):
        os.link(target.disk, disk, follow_symlinks=False)
    elif not stat.S_ISREG(target.status.st_mode) and not target.is_link:
        raise ImageError(f"a layer has a hard link to {member.linkname!r}, a device of a layer below")
    else:
        shutil.copyfile(target.disk, disk, follow_symlinks=False)
        os.lchown(disk, target.status.st_uid, target.status.st_gid)
        # After the owner, since changing that takes away set-user-ID bits and capabilities.
        shutil.copystat(target.disk, disk, follow_symlinks=False)


def _make(member: tarfile.TarInfo, archive: tarfile.TarFile, disk: Path) -> None:
    if member.issym():
        disk.symlink_to(member.linkname)
    elif member.isfile():
        source = archive.extractfile(member)
        assert source is not None
        descriptor = os.open(disk, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as target_file:
            shutil.copyfileobj(source, target_file, 1 << 20)
    elif member.ischr() or member.isblk() or member.isfifo():
        if member.ischr() and (member.devmajor, member.devminor) == (0, 0):
            raise ImageError(f"a layer has a device 0:0 at {member.name!r}, which would hide a file")
        kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK if member.isblk() else stat.S_IFIFO
        os.mknod(disk, kind | 0o600, os.makedev(member.devmajor, member.devminor))
    else:
        raise ImageError(f"a layer has an entry of an unknown kind: {member.name!r}")


def _own(disk: Path, member: tarfile.TarInfo) -> None:
    os.lchown(disk, member.uid, member.gid)
    if not member.issym():
        disk.chmod(member.mode & 0o7777)
    for key, value in member.pax_headers.items():
        if key.startswith("SCHILY.xattr.") and not key.startswith("SCHILY.xattr.trusted.overlay"):
            name = key.removeprefix("SCHILY.xattr.")
            raw = value.encode("utf-8", "surrogateescape")
            with contextlib.suppress(OSError):  # a file system without this kind of attribute
                os.setxattr(disk, name, raw, follow_symlinks=False)
