"""Layers as concatenations of segments: tars without directories, each compressed once.

A layer is one generated member with its directories, the segments' members, and one end member. This is valid gzip (RFC
1952, section 2.2) and a valid layer: no path occurs twice, and parents come first.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO

from airbyte_ci.errors import ImageError
from airbyte_ci.oci import compress, tar
from airbyte_ci.oci.digest import Digest, chunks
from airbyte_ci.oci.image import LAYER_GZIP, Descriptor
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.records import dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer in the store: the descriptor of the compressed blob and the digest of its tar."""

    descriptor: Descriptor
    diff_id: Digest

    def to_json(self) -> dict[str, Any]:
        return {"descriptor": self.descriptor.to_json(), "diffId": str(self.diff_id)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Layer":
        return cls(Descriptor.from_json(document["descriptor"], "a layer"), Digest.parse(document["diffId"]))


@dataclass(frozen=True, slots=True)
class Segment:
    """Files as a piece of a layer: raw tar and compressed members, both in the store; sizes in bytes."""

    raw: Digest
    raw_size: int
    compressed: Digest
    size: int

    def to_json(self) -> dict[str, Any]:
        return {
            "raw": str(self.raw),
            "rawSize": self.raw_size,
            "compressed": str(self.compressed),
            "size": self.size,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Segment":
        return cls(
            Digest.parse(document["raw"]),
            int(document["rawSize"]),
            Digest.parse(document["compressed"]),
            int(document["size"]),
        )

    def in_store(self, store: Store) -> bool:
        """Returns whether the store has both; a store that was imported from a file gets the raw tar here."""
        return store.has(self.compressed) and (store.has(self.raw) or self._expand(store))

    def _expand(self, store: Store) -> bool:
        """Stores the raw tar; False if the compressed members do not hold it."""
        import gzip
        import zlib

        try:
            with (
                store.writer(expected=self.raw, size=self.raw_size) as raw,
                gzip.open(store.verified(self.compressed)) as packed,
            ):
                while (chunk := packed.read(1 << 20)) and raw.size <= self.raw_size:
                    raw.write(chunk)
        except (OSError, EOFError, zlib.error, ImageError):
            return False
        return True


def make_segment(store: Store, entries: Iterable[Entry]) -> Segment:
    """Writes the entries (no directories) in canonical order, raw and compressed."""
    ordered = tar.sorted_entries(entries)
    if any(entry.kind == "dir" for entry in ordered):
        raise ImageError("a segment holds files only; directories belong to the layer")
    with store.writer() as raw:
        tar.write(ordered, raw)
    with store.writer() as packed, store.verified(raw.digest).open("rb") as source:
        for piece in compress.members(source, raw.size):
            packed.write(piece)
    return Segment(raw.digest, raw.size, packed.digest, packed.size)


def assemble(store: Store, directories: Iterable[Entry], segments: Sequence[Segment]) -> Layer:
    """Returns one layer of directories and segments. Only hashes and copies, and does nothing if the layer exists."""
    head = io.BytesIO()
    tar.write(tar.sorted_entries(directories), head)
    inputs = {
        "head": str(Digest.of(head.getvalue())),
        "segments": [str(segment.raw) for segment in segments],
        "compressor": compress.identity(),
    }
    return reuse_layer(
        store,
        "layer",
        version=tar.FORMAT_VERSION,
        inputs=inputs,
        make=lambda: _concatenate(store, head.getvalue(), segments),
    )


def reuse_layer(
    store: Store,
    kind: str,
    version: int,
    inputs: object,
    make: Callable[[], Layer],
    say: Callable[[str], None] | None = None,
) -> Layer:
    """Returns the stored layer of an action if its blob is in the store, otherwise the result of `make`.

    `say` is that of `Store.reuse`.
    """

    def is_whole(known: dict[str, Any]) -> bool:
        return store.has(Layer.from_json(known).descriptor.digest)

    known = store.reuse(kind, version, inputs, lambda: make().to_json(), is_whole=is_whole, say=say)
    return Layer.from_json(known)


def _concatenate(store: Store, head: bytes, segments: Sequence[Segment]) -> Layer:
    diff = hashlib.sha256(head)
    size = sum(segment.size for segment in segments)
    store.require_space(size)
    with store.writer() as writer:
        for piece in compress.members(io.BytesIO(head), len(head)):
            writer.write(piece)
        for segment in segments:
            with store.verified(segment.raw).open("rb") as raw:
                for chunk in chunks(raw):
                    diff.update(chunk)
            with store.verified(segment.compressed).open("rb") as packed:
                for chunk in chunks(packed):
                    writer.write(chunk)
        diff.update(tar.END)
        writer.write(compress.member(tar.END))
    return Layer(Descriptor(LAYER_GZIP, writer.digest, writer.size), Digest(diff.hexdigest()))


def layer_of(store: Store, entries: Iterable[Entry]) -> Layer:
    """Returns a layer of any entries that no other layer shares: code, removals, files of a hook.

    Its bytes are those of `assemble`, without a segment that the store would keep.
    """
    ordered = tar.sorted_entries(entries)
    head = io.BytesIO()
    tar.write((entry for entry in ordered if entry.kind == "dir"), head)
    files = [entry for entry in ordered if entry.kind != "dir"]
    with store.draft(lambda file: tar.write(files, file)) as (raw, size), store.writer() as writer:
        diff = hashlib.sha256(head.getvalue())
        for piece in compress.members(io.BytesIO(head.getvalue()), len(head.getvalue())):
            writer.write(piece)
        for piece in compress.members(_HashedReader(raw, diff), size):
            writer.write(piece)
        diff.update(tar.END)
        writer.write(compress.member(tar.END))
    return Layer(Descriptor(LAYER_GZIP, writer.digest, writer.size), Digest(diff.hexdigest()))


class _HashedReader:
    """A stream whose bytes update a hash as they are read."""

    def __init__(self, file: BinaryIO, hasher: "hashlib._Hash") -> None:
        self._file = file
        self._hasher = hasher

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hasher.update(data)
        return data
