"""Imports an exported file of unknown origin into a store.

Each blob is stored under the digest of its bytes, so nothing in a store is replaced. Stored actions cannot be verified:
they are imported only on request, and never replace those of the store.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.documents import load_json
from airbyte_ci.errors import DigestMismatch, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.exchange import archive
from airbyte_ci.oci.exchange.archive import StoreArchive
from airbyte_ci.oci.exchange.contents import ResultKinds
from airbyte_ci.oci.image import Descriptor, canonical_json
from airbyte_ci.oci.store.store import ActionKey, Store

# The longest line of a record: the largest known inventory has 1 MB.
_MOST_RECORD = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The numbers of blobs and actions that the store lacked, their size, those that it had, and the ignored ones."""

    blobs: int
    size: int
    actions: int
    known: int
    ignored: int


def load(store: Store, path: Path, kinds: ResultKinds, *, with_results: bool) -> Imported:
    """Adds the contents of a file to a store; results of builds only on request.

    Raises StoreError for a file that is not a whole export, after storing at most some of its valid blobs.
    """
    with archive.opened(path) as source:
        try:
            downloads, results = source.blobs(archive.DOWNLOADS), source.blobs(archive.RESULTS)
            records = [item for item in results if item.media_type == archive.RECORDS]
            blobs = [*downloads, *(item for item in results if item not in records)] if with_results else downloads
            missing = [item for item in blobs if not store.has(item.digest)]
            store.require_space(sum(item.size for item in missing))
            for blob in missing:
                _copy(store, source, blob)
            actions = known = 0
            for key, value in _records(source, records, kinds) if with_results else ():
                if store.recall(key) is None:
                    store.remember(key, value)
                    actions += 1
                else:
                    known += 1
        except (ImageError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise source.damage(error.message if isinstance(error, ImageError) else "it is damaged") from error
    return Imported(
        blobs=len(missing),
        size=sum(item.size for item in missing),
        actions=actions,
        known=known + len(blobs) - len(missing),
        ignored=0 if with_results else len(results),
    )


def _copy(store: Store, source: StoreArchive, blob: Descriptor) -> None:
    try:
        with store.writer(expected=blob.digest, size=blob.size) as writer:
            for chunk in source.content(blob.digest):
                writer.write(chunk)
    except DigestMismatch as error:
        raise source.mismatch(blob.digest) from error


def _records(
    source: StoreArchive, records: list[Descriptor], kinds: ResultKinds
) -> Iterator[tuple[ActionKey, dict[str, object]]]:
    """Yields the actions of these kinds. The key is computed: an action cannot claim to be of another kind."""
    for blob in records:
        if Digest.of_pieces(source.content(blob.digest)) != blob.digest:
            raise source.mismatch(blob.digest)
        for line in _lines(source, blob):
            document = load_json(line)
            origin, value = document["origin"], document["value"]
            if origin.keys() != {"action", "version", "inputs"} or not isinstance(value, dict):
                raise source.damage("it has an action of another form")
            if origin["action"] in kinds:
                yield ActionKey.of_origin(canonical_json(origin)), value


def _lines(source: StoreArchive, blob: Descriptor) -> Iterator[bytes]:
    rest = b""
    for chunk in source.content(blob.digest):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > _MOST_RECORD:
            raise source.damage("it has an action that is too long")
    if rest:
        raise source.damage("it ends early")
