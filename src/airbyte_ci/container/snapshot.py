"""Snapshots: layers unpacked on disk, each in a folder of its own that overlayfs can stack.

Unpacking trusts nothing in a layer: no link is ever followed by the kernel. Each entry's parent is resolved in the
stack by `Tree`, rebuilt as real folders in the new snapshot, and the entry is created there under a name that was
removed first (the escapes that lexical checks miss: umoci CVE-2021-29136, CPython gh-135034).
"""

import contextlib
import fcntl
import gzip
import hashlib
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.container.tree import OPAQUE_XATTR, Node, Tree
from airbyte_ci.errors import AirbyteCiError, DigestMismatch, ImageError, StoreError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.oci.store import Store
from airbyte_ci.oci.tar import OPAQUE, WHITEOUT

_FORMAT = 1
_ENTRY_LIMIT = 2_000_000
_SIZE_LIMIT = 20 << 30


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
        if not folder.exists():
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
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # another process was faster
            return
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        store.require_space(3 * descriptor.size)
        partial.mkdir(mode=0o755)
        try:
            _apply(store, descriptor, diff_id, Tree((partial, *below.layers)))
            partial.replace(folder)
        except OSError as error:
            raise StoreError(f"unpacking layer {diff_id.short}: {error.strerror} ({error.filename})") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


class _Counted(io.RawIOBase):
    """The uncompressed bytes, hashed, and stopped when a layer grows without end."""

    def __init__(self, source: io.BufferedIOBase) -> None:
        self._source = source
        self.hasher = hashlib.sha256()
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.hasher.update(data)
        self._size += len(data)
        if self._size > _SIZE_LIMIT:
            raise ImageError(f"a layer unpacks to more than {_SIZE_LIMIT >> 30} GiB")
        return data


def _apply(store: Store, descriptor: Descriptor, diff_id: Digest, tree: Tree) -> None:
    # The gzip trailer's checksum and the diffID are both verified; the compressed bytes were when they came.
    with store.path(descriptor.digest).open("rb") as blob:
        plain: io.BufferedIOBase = gzip.GzipFile(fileobj=blob) if _is_gzip(blob) else blob
        counted = _Counted(plain)
        try:
            with tarfile.open(fileobj=counted, mode="r|") as archive:
                for count, member in enumerate(archive):
                    if count > _ENTRY_LIMIT:
                        raise ImageError(f"a layer has more than {_ENTRY_LIMIT} entries")
                    _create(member, archive, tree)
            while counted.read(1 << 20):
                pass  # the padding after the end marker belongs to the diffID too
        except AirbyteCiError:
            raise
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError) as error:
            raise ImageError(f"layer {diff_id.short} is not a readable archive ({error})") from error
    if counted.hasher.hexdigest() != diff_id.hex:
        raise DigestMismatch(f"layer {descriptor.digest.short} does not unpack to its diffID {diff_id.short}")


def _is_gzip(blob: io.BufferedIOBase) -> bool:
    magic = blob.read(2)
    blob.seek(0)
    return magic == b"\x1f\x8b"


def _create(member: tarfile.TarInfo, archive: tarfile.TarFile, tree: Tree) -> None:
    path = _clean(member.name)
    if not path:
        _own(tree.layers[0], member)
        return
    parent, _, name = path.rpartition("/")
    folder = _real_folder(parent, tree)
    if name == OPAQUE:
        os.setxattr(folder, OPAQUE_XATTR, b"y", follow_symlinks=False)
        return
    if name.startswith(WHITEOUT):
        _white_out(folder / name.removeprefix(WHITEOUT))
        return
    disk = folder / name
    _remove(disk, keep_folder=member.isdir())
    if member.islnk():
        _link(member, tree, disk)
    else:
        _make(member, archive, disk)
        _own(disk, member)


def _clean(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise ImageError(f"a layer has an entry with a forbidden name: {name!r}")
    return "/".join(parts)


def _real_folder(path: str, tree: Tree) -> Path:
    """The folder of the new snapshot in which entries of `path` are made: links resolved, all parts real."""
    top = tree.layers[0]
    node = tree.resolve(path)
    if node is None:
        parent, _, name = path.rpartition("/")
        disk = _real_folder(parent, tree) / name
        _remove(disk)
        disk.mkdir(mode=0o755)
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


def _remove(disk: Path, *, keep_folder: bool = False) -> None:
    try:
        status = disk.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        if not keep_folder:
            shutil.rmtree(disk)
    else:
        disk.unlink()


def _white_out(disk: Path) -> None:
    if disk.name in ("", ".", ".."):
        raise ImageError(f"a layer has a whiteout with a forbidden name: {disk.name!r}")
    # A whiteout speaks of the layers below, never of entries of its own layer (layer.md#whiteouts).
    with contextlib.suppress(FileExistsError):
        os.mknod(disk, stat.S_IFCHR | 0o000, os.makedev(0, 0))


def _link(member: tarfile.TarInfo, tree: Tree, disk: Path) -> None:
    """A hard link to a file of this layer, or a copy of a file below: either way owner and mode are the target's."""
    target = tree.resolve(_clean(member.linkname), follow_last=False)
    if target is None or target.is_dir:
        raise ImageError(f"a layer has a hard link to {member.linkname!r}, which is not a file in the image")
    if target.disk.is_relative_to(tree.layers[0]):
        os.link(target.disk, disk, follow_symlinks=False)
    else:
        shutil.copy2(target.disk, disk, follow_symlinks=False)
        os.lchown(disk, target.status.st_uid, target.status.st_gid)


def _make(member: tarfile.TarInfo, archive: tarfile.TarFile, disk: Path) -> None:
    if member.isdir():
        disk.mkdir(exist_ok=True)
    elif member.issym():
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
