"""The contents of the in-process registry, in memory: blobs, manifests, tags and uploads. Knows no HTTP."""

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index
from airbyte_ci.oci.store.store import Store


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it was pushed."""

    media_type: str
    raw: bytes = field(repr=False)

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.raw)
        return document

    @property
    def subject(self) -> Digest | None:
        subject = self.document.get("subject")
        return Digest.parse(subject.get("digest")) if isinstance(subject, dict) else None


@dataclass(slots=True)
class Repository:
    """One repository."""

    blobs: set[Digest] = field(default_factory=set)
    manifests: dict[Digest, StoredManifest] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)

    def find(self, name: str) -> tuple[Digest, StoredManifest] | None:
        """Returns the manifest with this tag or digest."""
        try:
            digest = Digest.parse(name) if ":" in name else self.tags.get(name)
        except ImageError:
            return None
        found = self.manifests.get(digest) if digest else None
        return (digest, found) if digest and found else None

    def begin(self) -> str:
        """Starts an upload and returns its name."""
        name = uuid.uuid4().hex
        self.uploads[name] = bytearray()
        return name


class RegistryContents:
    """All repositories; hold `lock` while reading or changing them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.bytes: dict[Digest, bytes] = {}
        self.repositories: dict[str, Repository] = {}

    def repository(self, name: str) -> Repository:
        """Returns the repository, created if it is new."""
        return self.repositories.setdefault(name, Repository())

    def put_blob(self, repository: str, data: bytes) -> Digest:
        """Adds a blob, as a test needs it."""
        digest = Digest.of(data)
        with self.lock:
            self.bytes[digest] = data
            self.repository(repository).blobs.add(digest)
        return digest

    def put_image(self, repository: str, store: Store, digest: Digest, *tags: str) -> Digest:
        """Adds an image or index of the store with all its parts."""
        manifest = store.manifest(digest)
        if isinstance(manifest, Index):
            for child in manifest.manifests:
                self.put_image(repository, store, child.digest)
        else:
            for blob in (manifest.config, *manifest.layers):
                self.put_blob(repository, store.read(blob.digest))
        return self.put_manifest(repository, manifest.media_type, manifest.raw, *tags)

    def put_manifest(self, repository: str, media_type: str, raw: bytes, *tags: str) -> Digest:
        """Adds a manifest without validation, as a test needs it."""
        digest = Digest.of(raw)
        with self.lock:
            found = self.repository(repository)
            found.manifests[digest] = StoredManifest(media_type, raw)
            found.tags.update(dict.fromkeys(tags, digest))
        return digest
