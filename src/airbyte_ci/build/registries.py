"""What a build asks of registries, as an interface: who logs in and how is not known here."""

from collections.abc import Sequence
from typing import Protocol

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Platform
from airbyte_ci.oci.reference import Reference


class Registries(Protocol):
    """Any registry, by reference. All methods raise RegistryError and BlobNotFound."""

    def look(self, reference: Reference, platform: Platform) -> Image:
        """The platform's manifest and configuration, into the store; its layers stay where they are."""

    def fetch(self, reference: Reference, descriptor: Descriptor) -> None:
        """One blob of the reference's repository, into the store."""

    def tags(self, reference: Reference) -> tuple[str, ...]:
        """All tags of the reference's repository."""

    def stands_for(self, reference: Reference, digest: Digest) -> bool:
        """Whether a tag is known, without much ado, to stand for a digest already."""

    def push(self, digest: Digest, target: Reference, sources: Sequence[Reference]) -> Descriptor:
        """An image or index of the store under the target's tag; what the store lacks comes from the sources."""
