"""The newer versions of an image's base image whose contents the store knows."""

from collections.abc import Iterator, Sequence

from airbyte_ci.attest.sbom import examine
from airbyte_ci.attest.vulnerabilities.audited import audit
from airbyte_ci.attest.vulnerabilities.remedies import NewerBase
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.images.locate_image import LocatedImage
from airbyte_ci.oci import local
from airbyte_ci.oci.image import Platform
from airbyte_ci.python.environment.tools import Tools


def list_newer(catalog: Catalog, address: str) -> tuple[BaseImageVersion, ...]:
    """Returns the newer versions of a base image that a connector may use, oldest first."""
    current = catalog.find(address)
    if current is None:
        return ()
    found = [
        item
        for item in catalog.of(current.repository)
        if item.semver > current.semver and not item.is_prerelease and not item.withdrawal
    ]
    return tuple(sorted(found, key=lambda item: item.semver))


def examine_newer(tools: Tools, versions: Sequence[BaseImageVersion], platform: Platform) -> Iterator[NewerBase]:
    """Yields the contents of the versions that the store has; nothing is downloaded."""
    for item in versions:
        try:
            image = local.find(tools.store, item.address, platform)
            if image is None or not tools.store.holds(image):
                continue
            bill = examine.examine(tools, LocatedImage(image), item.repository, is_base=True)
        except AirbyteCiError:
            continue
        yield NewerBase(item.version, audit(bill).packages)
