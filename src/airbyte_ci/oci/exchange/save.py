"""Exports a part of a store to a file, while builds use the store."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airbyte_ci import disk
from airbyte_ci.errors import DigestMismatch, StoreError
from airbyte_ci.oci import tar
from airbyte_ci.oci.artifact import EMPTY, EMPTY_DESCRIPTOR
from airbyte_ci.oci.digest import Digest, chunks
from airbyte_ci.oci.exchange import archive
from airbyte_ci.oci.exchange.contents import Part, ResultKinds, choose, record_line
from airbyte_ci.oci.image import LAYOUT, Descriptor
from airbyte_ci.oci.store.store import Store, VerifyingReader
from airbyte_ci.oci.tar import Entry, Writable


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The numbers of exported parts, the size of the file, and the parts that the limit left out."""

    downloads: int
    results: int
    actions: int
    size: int
    left_out: int
    left_out_size: int


def export(
    store: Store,
    path: Path,
    kinds: ResultKinds,
    *,
    limit: int | None,
    with_results: bool = True,
    since: float = 0.0,
    images: Collection[Digest] | None = None,
) -> Exported:
    """Writes the most valuable parts of a store to a file of at most `limit` bytes, completely or not at all.

    With `images`, writes only what builds of these images need. Leaves out parts that were not used since this time.
    A collection waits until the file is written. Raises StoreError, DigestMismatch.
    """
    try:
        with disk.lock(store.root / "gc.lock", shared=True):
            choice = choose(store, kinds, limit, with_results=with_results, since=since, images=images)
            with store.scratch() as folder, disk.replace_file(path) as file:
                records = _write_records(store, choice.named(lambda part: part.is_action), folder / "records")
                downloads = choice.named(lambda part: part.is_download)
                results = choice.named(lambda part: not part.is_download and not part.is_action)
                counted = _Counter(file)
                _write(store, counted, downloads, results, records, folder / "records")
    except OSError as error:
        place = str(error.filename or "")
        shown = f" ({place})" if place.startswith(str(store.root)) else ""
        raise StoreError(f"cannot export to {path}: {error.strerror or error}{shown}") from error
    return Exported(
        downloads=len(downloads),
        results=len(results),
        actions=len(choice.parts) - len(downloads) - len(results),
        size=counted.size,
        left_out=len(choice.left_out),
        left_out_size=sum(part.size for part in choice.left_out),
    )


class _Counter:
    """Counts the bytes that are written to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)


def _write_records(store: Store, actions: list[Part], path: Path) -> Descriptor | None:
    """Writes the actions to a file, in the order of their keys; None if there are none."""
    with path.open("wb") as file:
        for action in actions:
            found = store.recorded(store.root / "actions" / action.name[:2] / action.name)
            if found:
                file.write(record_line(*found))
    with path.open("rb") as file:
        digest = Digest.of_stream(file)
    return Descriptor(archive.RECORDS, digest, path.stat().st_size) if actions else None


def _write(
    store: Store,
    file: Writable,
    downloads: list[Part],
    results: list[Part],
    records: Descriptor | None,
    place_of_records: Path,
) -> None:
    blobs = {
        archive.DOWNLOADS: [_descriptor(part) for part in downloads],
        archive.RESULTS: [*([records] if records else []), *map(_descriptor, results)],
    }
    manifests = {kind: archive.artifacts(kind, layers) for kind, layers in blobs.items()}
    documents = {
        "oci-layout": LAYOUT,
        "index.json": archive.index(manifests),
        archive.place(EMPTY_DESCRIPTOR.digest): EMPTY,
        **{archive.place(item.digest): item.raw for made in manifests.values() for item in made},
    }
    tar.write([tar.directory("blobs"), tar.directory("blobs/sha256")], file)
    tar.write([Entry(path=path, content=content) for path, content in documents.items()], file)
    if records:
        tar.write([Entry(path=archive.place(records.digest), content=place_of_records)], file)
    for blob in sorted((*downloads, *results), key=lambda part: part.name):
        if archive.place(Digest(blob.name)) not in documents:
            _write_blob(store, file, Digest(blob.name), blob.size)
    file.write(tar.END)


def _descriptor(part: Part) -> Descriptor:
    return Descriptor(archive.BLOB, Digest(part.name), part.size)


def _write_blob(store: Store, file: Writable, digest: Digest, size: int) -> None:
    """Writes a blob, and verifies it; its use is not marked, because no build needs it."""
    file.write(tar.header(Entry(path=archive.place(digest)), size))
    with VerifyingReader(store.path(digest).open("rb"), digest) as blob:
        length = 0
        for chunk in chunks(blob):
            file.write(chunk)
            length += len(chunk)
    if length != size:
        raise DigestMismatch(f"reading {digest} from the store: its size has changed")
    file.write(b"\0" * (-size % tar.BLOCK))
