"""The file's format: an OCI image layout (image-spec, image-layout.md) as an uncompressed tar.

The index names artifact manifests of two types. The layers of `downloads` are files that builds request by digest.
Those of `results` were made by builds. The first one has the stored actions as lines of JSON: the origin of the
key and the value. Every file is named by its digest, so the same contents are the same bytes.
"""

import functools
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airbyte_ci import disk
from airbyte_ci.documents import load_json
from airbyte_ci.errors import StoreError
from airbyte_ci.oci.artifact import artifact
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import INDEX, MANIFEST_LIMIT, Descriptor, Index, Manifest, canonical_json
from airbyte_ci.oci.tar import BLOCK

FORMAT = 1
TYPE = "application/vnd.airbyte-ci.store"
DOWNLOADS = f"{TYPE}.downloads.v{FORMAT}"
RESULTS = f"{TYPE}.results.v{FORMAT}"
RECORDS = f"{TYPE}.records.v{FORMAT}+jsonl"
BLOB = "application/octet-stream"
# A manifest of so many layers stays below the size that registries accept.
MOST_LAYERS = 10_000
# A member's size in a plain header: no larger blob is exported.
MOST_BYTES = (8 << 30) - 1
_MOST_MEMBERS = 1_000_000
_MOST_MANIFESTS = 100
_ADVICE = "create it again with `airbyte-ci store export FILE`"


def artifacts(kind: str, blobs: Sequence[Descriptor]) -> tuple[Manifest, ...]:
    """Returns the manifests that name these blobs."""
    parts = (tuple(blobs[start : start + MOST_LAYERS]) for start in range(0, len(blobs), MOST_LAYERS))
    return tuple(artifact(kind, layers) for layers in parts)


def index(manifests: Mapping[str, Sequence[Manifest]]) -> bytes:
    """Returns the layout's index of manifests by their type."""
    entries = [
        {**manifest.descriptor.to_json(), "artifactType": kind} for kind, made in manifests.items() for manifest in made
    ]
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})


@dataclass(frozen=True, slots=True)
class StoreArchive:
    """An open file, and the places of its members: offset and size in bytes."""

    path: Path
    file: BinaryIO
    members: Mapping[str, tuple[int, int]]

    def blobs(self, kind: str) -> tuple[Descriptor, ...]:
        """Returns the blobs that the manifests of this type name. Raises StoreError if one is not in the file."""
        found: list[Descriptor] = []
        for digest in self._manifests(kind):
            manifest = Manifest.parse(self._document(place(digest), digest), f"manifest {digest.short}")
            found += manifest.layers
        for blob in found:
            if self.members.get(place(blob.digest), (0, -1))[1] != blob.size:
                raise self.damage(f"it lacks {blob.digest.short}")
        return tuple({blob.digest: blob for blob in found}.values())

    def content(self, digest: Digest) -> Iterator[bytes]:
        """Returns the bytes of a blob, which are not verified."""
        offset, left = self.members[place(digest)]
        self.file.seek(offset)
        while left and (chunk := self.file.read(min(left, 1 << 20))):
            yield chunk
            left -= len(chunk)

    def damage(self, reason: str) -> StoreError:
        return _damage(self.path, reason)

    def mismatch(self, digest: Digest) -> StoreError:
        return self.damage(f"the content of {digest.short} does not match its digest")

    def _manifests(self, kind: str) -> list[Digest]:
        raw = self._document("index.json")
        entries = Index.parse(raw, "index.json").manifests
        types = [item.get("artifactType") for item in _objects(raw)]
        if len(entries) > _MOST_MANIFESTS or not all(str(item).startswith(f"{TYPE}.") for item in types):
            raise self.damage("it is not an export of a store")
        others = sorted({str(item).rpartition(".v")[2] for item in types} - {str(FORMAT)})
        if others:
            raise self.damage(f"it has format {others[0]:.20}, and this version of airbyte-ci reads format {FORMAT}")
        return [entry.digest for entry, item in zip(entries, types, strict=True) if item == kind]

    def _document(self, name: str, digest: Digest | None = None) -> bytes:
        offset, size = self.members.get(name, (0, -1))
        if not 0 <= size <= MANIFEST_LIMIT:
            raise self.damage(f"its {name} is missing or too large")
        self.file.seek(offset)
        raw = self.file.read(size)
        if digest and Digest.of(raw) != digest:
            raise self.mismatch(digest)
        return raw


def _damage(path: Path, reason: str) -> StoreError:
    return StoreError(f"cannot import {path}: {reason}", advice=_ADVICE)


def place(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"


@contextmanager
def opened(path: Path) -> Iterator[StoreArchive]:
    """Opens a file of unknown origin; raises StoreError unless it is a whole export."""
    try:
        # A pipe without a writer must not wait for one.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            archive = StoreArchive(path, file, _members(path, file))
            if "oci-layout" not in archive.members or "index.json" not in archive.members:
                raise archive.damage("it is not an export of a store")
            yield archive
    except OSError as error:
        raise StoreError(f"cannot import {path}: {error.strerror or error}") from error


def _members(path: Path, file: BinaryIO) -> dict[str, tuple[int, int]]:
    """Returns the places of a tar's regular files. Nothing is unpacked to a path that the archive names."""
    status = os.fstat(file.fileno())
    damage = functools.partial(_damage, path)
    if not stat.S_ISREG(status.st_mode):
        raise damage("it is not a regular file")
    if reason := disk.sparseness(status):
        raise damage(reason)
    found: dict[str, tuple[int, int]] = {}
    position = 0
    while len(block := file.read(BLOCK)) == BLOCK and block.strip(b"\0"):
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.TarError, ValueError) as error:
            reason = "it is damaged: an entry has no valid header" if found else "it is not an export of a store"
            raise damage(reason) from error
        position += BLOCK
        if header.type not in (tarfile.REGTYPE, tarfile.DIRTYPE) or header.size < 0 or header.name in found:
            raise damage("it is not an export of a store")
        if len(found) >= _MOST_MEMBERS:
            raise damage(f"it has more than {_MOST_MEMBERS:,} entries")
        if header.type == tarfile.REGTYPE:
            found[header.name] = (position, header.size)
            position += header.size + -header.size % BLOCK
        if position > status.st_size:
            raise damage("it ends early")
        file.seek(position)
    if not block and found:
        raise damage("it ends early")
    return found


def _objects(raw: bytes) -> list[Mapping[str, object]]:
    return list(load_json(raw)["manifests"])
