"""Selects what of a store another machine needs to build the same connectors, most valuable first.

All of it can be removed from a store at any time, so any part is useful without the others.
"""

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from airbyte_ci.documents import load_json
from airbyte_ci.errors import ImageError, UsageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.exchange import archive, mentions, needed
from airbyte_ci.oci.exchange.needed import ActionLinks
from airbyte_ci.oci.image import BASE_DIGEST, MANIFEST_LIMIT, Index, Manifest, parse_manifest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import BLOCK

# The uncompressed form of a segment, which its compressed form replaces (`oci.layer.Segment`).
_RAW = re.compile(rb'"raw":"sha256:([0-9a-f]{64})"')
# What a blob adds to a manifest, and an archive's own documents, in bytes.
_DESCRIPTOR = 200
_FRAME = 16 << 10
# Manifests, configurations and plans, without which layers are useless.
_SMALL = 64 << 10
# Kinds of parts by their value: the time that they save, for their size.
_RECORD, _DOCUMENT, _BASE, _RESULT, _DOWNLOAD = range(5)


@dataclass(frozen=True, slots=True)
class ResultKinds:
    """The kinds of actions that are valid on every machine: those that make blobs, and those that only name some."""

    making: Collection[str]
    naming: Collection[str]

    def __contains__(self, kind: object) -> bool:
        return kind in self.making or kind in self.naming


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A blob or a stored action: `size` in bytes, `used` in seconds since 1970. A lower `rank` is worth more."""

    rank: int
    name: str
    size: int
    used: float

    @property
    def is_action(self) -> bool:
        return self.rank == _RECORD

    @property
    def is_download(self) -> bool:
        return self.rank in (_BASE, _DOWNLOAD)


@dataclass(frozen=True, slots=True)
class PartChoice:
    """The parts that fit, by name, and those that were left out."""

    parts: tuple[Part, ...]
    left_out: tuple[Part, ...]

    def named(self, choose: Callable[[Part], bool]) -> list[Part]:
        return sorted(filter(choose, self.parts), key=lambda part: part.name)


def choose(
    store: Store,
    kinds: ResultKinds,
    limit: int | None,
    *,
    with_results: bool,
    since: float = 0.0,
    images: Collection[Digest] | None = None,
) -> PartChoice:
    """Returns the most valuable parts of a store that fit into an archive of `limit` bytes; does not mark their use.

    With `images`, only what builds of these images need. Parts that were not used since this time (in seconds since
    1970), or are not wanted, are in neither group. Raises UsageError for a limit below that of an empty archive.
    """
    if limit is not None and limit < _FRAME:
        raise UsageError(
            f"a limit of {limit} bytes is too small for an archive", advice="use a larger one, such as 2GB"
        )
    taken: list[Part] = []
    left: list[Part] = []
    room = None if limit is None else limit - _FRAME
    for part in sorted(_parts(store, kinds, images), key=lambda item: (item.rank, -item.used, item.name)):
        if part.used < since or not (with_results or part.is_download):
            continue
        need = part.size if part.is_action else part.size + -part.size % BLOCK + BLOCK + _DESCRIPTOR
        if part.size <= archive.MOST_BYTES and (room is None or need <= room):
            taken.append(part)
            room = None if room is None else room - need
        else:
            left.append(part)
    return PartChoice(tuple(taken), tuple(left))


@dataclass(frozen=True, slots=True)
class _Action:
    """A stored action as a part, and the digests in it. `raw` are uncompressed forms, which do not travel."""

    part: Part
    links: ActionLinks
    raw: frozenset[str]


def _actions(store: Store, kinds: ResultKinds) -> Iterator[_Action]:
    for path in (store.root / "actions").glob("*/*"):
        with contextlib.suppress(FileNotFoundError):
            used = path.stat().st_mtime
            origin, value = store.recorded(path) or (b"", b"")
            kind = load_json(origin).get("action") if origin else None
            if kind in kinds:
                inputs, result = (frozenset(mentions.find(text)) for text in (origin, value))
                yield _Action(
                    Part(rank=_RECORD, name=path.name, size=len(record_line(origin, value)), used=used),
                    ActionLinks(path.name, inputs, result, makes=kind in kinds.making),
                    frozenset(item.decode() for item in _RAW.findall(value)),
                )


def _parts(store: Store, kinds: ResultKinds, images: Collection[Digest] | None) -> Iterator[Part]:
    sizes = {item.name: item.stat() for item in os.scandir(store.root / "blobs" / "sha256")}
    actions = list(_actions(store, kinds))
    if images is not None:
        taken, wanted = needed.find(store, images, [item.links for item in actions])
        actions = [item for item in actions if item.part.name in taken]
        sizes = {name: found for name, found in sizes.items() if name in wanted}
    made: set[str] = set()
    named: set[str] = set()
    raw: set[str] = set()
    for action in actions:
        (made if action.links.makes else named).update(action.links.result)
        named.update(action.links.inputs)
        raw.update(action.raw)
        yield action.part
    bases: set[str] = set()
    for name in made & sizes.keys():
        reachable, below = _reachable(store, name)
        made.update(reachable)
        bases.update(below)
    for name in ((made | named) - raw | bases) & sizes.keys():
        if name in bases:
            rank = _BASE
        elif name not in made:
            rank = _DOWNLOAD
        else:
            rank = _DOCUMENT if sizes[name].st_size <= _SMALL else _RESULT
        yield Part(rank=rank, name=name, size=sizes[name].st_size, used=sizes[name].st_mtime)


def record_line(origin: bytes, value: bytes) -> bytes:
    """Returns an action's line in the archive."""
    return b'{"origin":' + origin + b',"value":' + value + b"}\n"


def _reachable(store: Store, name: str) -> tuple[set[str], set[str]]:
    """Returns the blobs of an image or index, if the blob is one, and the blobs of its base images."""
    own: set[str] = set()
    bases: set[str] = set()
    waiting = [(name, own)]
    while waiting:
        hex_digest, group = waiting.pop()
        manifest = _manifest(store, hex_digest)
        if manifest is None or hex_digest in bases:
            continue
        group.add(hex_digest)
        if isinstance(manifest, Index):
            waiting += [(item.digest.hex, group) for item in manifest.manifests]
            continue
        group.update(item.digest.hex for item in (manifest.config, *manifest.layers))
        with contextlib.suppress(ImageError):
            waiting.append((Digest.parse(manifest.annotations.get(BASE_DIGEST, "")).hex, bases))
    return own, bases


def _manifest(store: Store, hex_digest: str) -> Manifest | Index | None:
    """Returns a manifest without a mark of its use; None for another blob."""
    path = store.path(Digest(hex_digest))
    with contextlib.suppress(OSError, ImageError), path.open("rb") as file:
        # Layers are compressed, so their first byte is another.
        if path.stat().st_size <= MANIFEST_LIMIT and (start := file.read(1)) == b"{":
            return parse_manifest(start + file.read(), f"manifest {hex_digest}")
    return None
