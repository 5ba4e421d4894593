"""What base images ask of registries, as an interface: who logs in and how is not known here."""

from collections.abc import Sequence
from typing import Protocol

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Index, Manifest, Platform
from airbyte_ci.oci.reference import Reference


class Registries(Protocol):
    """Any registry, by reference. All methods raise RegistryError and BlobNotFound."""

    def pull(self, reference: Reference, platform: Platform) -> Image:
        """The platform's image with all its layers, into the store."""

    def fetch(self, reference: Reference, descriptor: Descriptor) -> None:
        """One blob of the reference's repository, into the store."""

    def tags(self, reference: Reference) -> tuple[str, ...]:
        """All tags of the reference's repository."""

    def resolve(self, reference: Reference) -> Descriptor:
        """What a tag or digest stands for."""

    def manifest(self, reference: Reference) -> Manifest | Index:
        """The manifest or index itself."""

    def push(self, digest: Digest, target: Reference, tags: Sequence[str]) -> Descriptor:
        """A manifest or index of the store, with all that it names, under these tags; without any, by digest only."""
