"""Registry clients without a registry; they record each request."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from airbyte_ci.errors import AirbyteCiError, BlobNotFound
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import RegistryClient


@dataclass
class Deaf(RegistryClient):
    """A client of registries that are empty or fail with `failure`; `asked` lists every request."""

    failure: AirbyteCiError = field(default_factory=lambda: BlobNotFound("no registry has it"))
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def image(self, reference: Reference, platform: Platform, store: Store) -> Image:
        self.asked.append(("look", str(reference), str(platform)))
        raise self.failure

    def pull_blob(self, reference: Reference, descriptor: Descriptor, store: Store) -> None:
        self.asked.append(("fetch", str(reference), str(descriptor.digest)))
        raise self.failure

    def tags(self, reference: Reference) -> tuple[str, ...]:
        self.asked.append(("tags", str(reference)))
        return ()

    def point_tag(
        self,
        store: Store,
        digest: Digest,
        target: Reference,
        *,
        sources: Sequence[Reference] = (),
        fixed: Collection[str] = (),
    ) -> bool:
        return False

    def push(
        self,
        store: Store,
        digest: Digest,
        target: Reference,
        *,
        tags: Sequence[str] = (),
        sources: Sequence[Reference] = (),
        fixed: Collection[str] = (),
    ) -> Descriptor:
        self.asked.append(("push", str(digest), str(target), *map(str, sources)))
        return self.answer_push()

    def answer_push(self) -> Descriptor:
        raise self.failure


@dataclass
class Shelf(Deaf):
    """A client of registries that hold the content of the store `behind`; a push is only recorded."""

    behind: Store | None = None
    whole: Image | None = None

    def image(self, reference: Reference, platform: Platform, store: Store) -> Image:
        self.asked.append(("look", str(reference), str(platform)))
        assert self.whole
        return store.put_image(self.whole.manifest, self.whole.config)

    def pull_blob(self, reference: Reference, descriptor: Descriptor, store: Store) -> None:
        self.asked.append(("fetch", str(reference), str(descriptor.digest)))
        assert self.behind
        store.put(self.behind.read(descriptor.digest))

    def answer_push(self) -> Descriptor:
        assert self.whole
        return self.whole.manifest.descriptor
