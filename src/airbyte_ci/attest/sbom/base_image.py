"""The bill of a base image that airbyte-ci released: its layers, and the files that its lock names."""

from airbyte_ci.attest.sbom import make_bill
from airbyte_ci.attest.sbom.bill import BillOfMaterials
from airbyte_ci.attest.sbom.make_bill import BillFacts
from airbyte_ci.base_images.making.lock import PlatformLock
from airbyte_ci.images import base
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.environment.tools import Tools


def of_base_image(
    tools: Tools, image: Image, lock: PlatformLock, place: Reference, *, created: str, tool: str
) -> BillOfMaterials:
    """Returns the bill of a base image; layers that were never read here come from `place`, its address.

    `created` is RFC 3339, and `tool` the version of airbyte-ci. Raises ImageError, BlobNotFound, RegistryError.
    """
    facts = BillFacts(
        repository=f"{place.registry}/{place.repository}",
        created=created,
        tool=tool,
        base_layers=len(image.layers),
        lock=lock,
    )
    return make_bill.make(
        tools.store, image, facts, lambda: base.complete(tools.store, image, (place,), tools.registries)
    )
