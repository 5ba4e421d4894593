"""One repository that a release is published to. Reads from the registry itself, never from its mirrors.

Knows tags, manifests and referrers, not the order of a release.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from airbyte_ci.errors import BlobNotFound
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry import manifests, referrers
from airbyte_ci.registry.api import Api
from airbyte_ci.registry.endpoint import Endpoint
from airbyte_ci.registry.failures import explain
from airbyte_ci.registry.push import Push
from airbyte_ci.registry.referrers import Artifact, Referrer
from airbyte_ci.registry.shared_blobs import SharedBlobs
from airbyte_ci.registry.upload import Uploader


@dataclass(frozen=True, slots=True)
class TargetRepository:
    """A repository and the client's connections to it. Threads may share it."""

    api: Api
    uploader: Uploader
    place: Endpoint
    shared: SharedBlobs

    def __str__(self) -> str:
        return str(self.place)

    def tags(self) -> tuple[str, ...]:
        """Returns all tags; none if the repository does not exist yet."""
        with explain(f"cannot list the tags of {self.place}"):
            try:
                return manifests.tags(self.api, self.place)
            except BlobNotFound:
                return ()

    def find_tag(self, tag: str) -> Digest | None:
        """Returns the digest of a tag as the registry reports it; None if the tag does not exist."""
        with explain(f"cannot resolve {self.place}:{tag}"):
            return manifests.digest_of_tag(self.api, self.place, tag)

    def read_tag(self, tag: str) -> Manifest | Index | None:
        """Returns the manifest of a tag, hashed after its download; None if the tag does not exist."""
        with explain(f"cannot read {self.place}:{tag}"):
            try:
                return manifests.fetch(self.api, self.place, self._reference.with_tag(tag))
            except BlobNotFound:
                return None

    def read(self, digest: Digest) -> Manifest | Index:
        """Returns a manifest; raises BlobNotFound."""
        with explain(f"cannot read {self.place}@{digest.short}"):
            return manifests.fetch(self.api, self.place, self._reference.with_digest(digest))

    def push(self, store: Store, digest: Digest, sources: Sequence[Reference]) -> bool:
        """Pushes an image or index of the store under its digest: blobs first, then manifests.

        `sources` are repositories that may have blobs that the store lacks. Returns whether the repository lacked it.
        """
        with explain(f"cannot push {digest.short} to {self.place}"):
            if manifests.exists(self.api, self.place, digest):
                return False
            self._push(store, sources).run(digest, (), is_new=True)
            return True

    def referrers(self, digest: Digest) -> tuple[Referrer, ...]:
        """Returns the artifacts that the registry lists for a digest."""
        with explain(f"cannot list the referrers of {self.place}@{digest.short}"):
            return referrers.find_all(self.api, self.place, digest)

    def attach(
        self,
        store: Store,
        digest: Digest,
        artifacts: Sequence[Artifact],
        sources: Sequence[Reference],
        *,
        is_new: bool = False,
    ) -> int:
        """Pushes artifacts about a digest, and confirms that they are listed; returns how many were new.

        `is_new` tells that the repository lacked the digest until this command pushed it.
        """
        with explain(f"cannot attach documents to {self.place}@{digest.short}"):
            send_more = self._push(store, sources).send_blobs
            return referrers.attach(
                self.api, self.uploader, self.place, digest, artifacts, send_more, self.shared, is_new=is_new
            )

    def _push(self, store: Store, sources: Sequence[Reference]) -> Push:
        return Push(
            api=self.api,
            uploader=self.uploader,
            store=store,
            target=self.place,
            sources=tuple(sources),
            shared=self.shared,
        )

    def write_tag(self, tag: str, manifest: Manifest | Index) -> None:
        """Points a tag to a manifest of the repository, whatever it pointed to before."""
        with explain(f"cannot set {self.place}:{tag}"):
            manifests.write(self.api, self.place, manifest, tag)

    @property
    def _reference(self) -> Reference:
        return Reference(self.place.registry, self.place.repository)
