"""Snapshots: unpacked layers, each in a folder of its own that overlayfs can stack, shared wherever possible.

A snapshot's name derives from its layer and from the questions that unpacking asked of the layers below, with their
answers. A layer is unpacked again only over layers that would change the result.
"""

import errno
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci import disk
from airbyte_ci.errors import ImageError, StoreError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.rootfs import snapshot_record, unpacking, user_namespace
from airbyte_ci.rootfs.archive import open_layer
from airbyte_ci.rootfs.asked import Question, RecordingTree, answered
from airbyte_ci.rootfs.snapshot_record import SnapshotSource
from airbyte_ci.rootfs.tree import Tree

_FORMAT = 3
# Lower layers affect the questions of a layer (is /lib a link?); of the sequences of questions, the newest are kept.
_WAYS = 8
# Errors of the disk; the kernel refuses everything else because of the layer's content.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)

_EMPTY = Tree(())


@dataclass(frozen=True, slots=True)
class Stack:
    """Unpacked layers, on which others can be stacked."""

    tree: Tree = _EMPTY

    def push(self, store: Store, descriptor: Descriptor, diff_id: Digest) -> "Stack":
        """Returns the stack with a layer on top, unpacked if necessary; raises ImageError, BlobNotFound."""
        folder = _find(store, self.tree, diff_id) or _unpack_locked(store, self.tree, descriptor, diff_id)
        return self.push_folder(folder)

    def push_folder(self, folder: Path) -> "Stack":
        """Returns the stack with a command's own changes on top."""
        return Stack(self.tree.over(folder))


def unpack(store: Store, layers: Sequence[tuple[Descriptor, Digest]]) -> Stack:
    """Returns the layers (oldest first); unpacks missing ones."""
    stack = Stack()
    for descriptor, diff_id in layers:
        stack = stack.push(store, descriptor, diff_id)
    return stack


# --- which snapshot ------------------------------------------------------------------------------


def _find(store: Store, below: Tree, diff_id: Digest) -> Path | None:
    """Returns the layer's snapshot over these layers, if there is one.

    Unpacking depends only on the layer and the answers, and each question only on the previous ones. So if a snapshot
    of this name exists, unpacking here would have the same questions and result.
    """
    places = (_place(store, below, diff_id, questions) for questions in _ways(store, diff_id))
    return next((place for place in places if store.use(place)), None)


def _place(store: Store, below: Tree, diff_id: Digest, questions: Sequence[Question]) -> Path:
    answers = answered(below, questions)
    for copy in itertools.count():
        inputs = f"{_FORMAT}{user_namespace.name()} {diff_id} {copy} {answers}"
        # Half of the digest is sufficient.
        place = store.root / "snapshots" / hashlib.sha256(inputs.encode()).hexdigest()[:32]
        # An image may have a layer twice, but overlayfs accepts a folder only once.
        if place not in below.layers:
            return place
    raise AssertionError("the numbers never end")


def _ways(store: Store, diff_id: Digest) -> list[list[Question]]:
    """Returns the questions that unpacking the layer asked before, over any stack."""
    known = store.recall(_ways_key(diff_id)) or {"ways": []}
    return [[(kind, path) for kind, path in json.loads(way)] for way in known["ways"]]


def _remember_way(store: Store, diff_id: Digest, questions: Sequence[Question]) -> None:
    ways = _ways(store, diff_id)
    if list(questions) not in ways:
        # As text within text: names need not be UTF-8, and `json` spells others by escapes.
        kept = [json.dumps(way) for way in (questions, *ways)][:_WAYS]
        store.remember(_ways_key(diff_id), {"ways": kept})


def _ways_key(diff_id: Digest) -> Digest:
    return action_key("snapshot", _FORMAT, {"layer": str(diff_id)})


# --- making it -----------------------------------------------------------------------------------


def _unpack_locked(store: Store, below: Tree, descriptor: Descriptor, diff_id: Digest) -> Path:
    store.size(descriptor.digest)  # Raises BlobNotFound before any file is created.
    name = diff_id.hex[:32]
    snapshots = store.root / "snapshots"
    with disk.lock(snapshots / f".{name}.lock"):
        if folder := _find(store, below, diff_id):  # Another process was faster.
            return folder
        partial = snapshots / f".{name}.partial"
        disk.remove_tree(partial)
        store.require_space(3 * descriptor.size)
        try:
            partial.mkdir()
            asked = RecordingTree(below)
            _apply(store, descriptor, diff_id, partial, asked)
            folder = _place(store, below, diff_id, asked.questions)
            if not store.use(folder):  # The recorded questions may have been removed.
                names = tuple(layer.name for layer in below.layers)
                snapshot_record.write(partial, folder, SnapshotSource(descriptor, diff_id, names))
                partial.replace(folder)
        except OSError as error:
            kind = StoreError if error.errno in _DISK_ERRORS else ImageError
            where = f" ({error.filename})" if error.filename else ""
            raise kind(f"cannot unpack layer {diff_id.short}: {error.strerror}{where}") from error
        finally:
            disk.remove_tree(partial)
        _remember_way(store, diff_id, asked.questions)
        return folder


def unpack_again(store: Store, origin: SnapshotSource, below: Sequence[Path], folder: Path) -> Path:
    """The layer of a snapshot in a new folder, over the same layers below; raises ImageError, DigestMismatch."""
    folder.mkdir()
    _apply(store, origin.descriptor, origin.diff_id, folder, RecordingTree(Tree(tuple(below))))
    return folder


def _apply(store: Store, descriptor: Descriptor, diff_id: Digest, folder: Path, below: RecordingTree) -> None:
    with open_layer(store, descriptor, diff_id) as stream:
        unpacking.create_all(stream, folder, below)
        if stream.last.strip(b"\0"):  # Python's reader takes anything but a header for the end
            raise ImageError(f"layer {diff_id.short} has a broken header after its first entries")
