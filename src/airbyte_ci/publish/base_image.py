"""The documents of a base image's release: its lock, provenance and SBOMs, signed as those of connectors are."""

from collections.abc import Iterator

import airbyte_ci
from airbyte_ci.attest import base_provenance
from airbyte_ci.attest.sbom import attachments as sbom
from airbyte_ci.attest.sbom.base_image import of_base_image
from airbyte_ci.base_images.making.lock import VersionLock
from airbyte_ci.images import base
from airbyte_ci.oci.reference import Reference
from airbyte_ci.publish import attachments
from airbyte_ci.publish.attachments import Signing
from airbyte_ci.publish.release import ReleasePart
from airbyte_ci.python.environment.tools import Tools


def write(lock: VersionLock, address: Reference, created: str, signing: Signing, tools: Tools) -> Iterator[ReleasePart]:
    """Yields each platform's image, then the index, with its documents, in the order of pushing.

    An image that another machine built is read from `address`, where it was pushed by digest. `created` is RFC 3339.
    Raises ImageError, BlobNotFound, RegistryError.
    """
    tool, store = airbyte_ci.__version__, tools.store
    place = Reference(address.registry, address.repository)
    for platform, part in sorted(lock.platforms.items()):
        image = base.resolve(store, place.at(part.manifest), platform, tools.registries)
        bill = of_base_image(tools, image, part, place, created=created, tool=tool)
        documents = (*base_provenance.write(lock, image.digest, created, tool), *sbom.attach_bill(bill))
        yield attachments.sign(image.manifest, documents, place, created, signing, store)
    documents = base_provenance.write(lock, lock.index.digest, created, tool)
    yield attachments.sign(lock.index, documents, place, created, signing, store)
