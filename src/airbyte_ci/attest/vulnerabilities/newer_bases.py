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
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.environment.tools import Tools


class NewerBases:
    """The newer versions of base images in a catalog. Many images share a base, so each version is examined once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._examined: dict[tuple[Reference, Platform], NewerBase | None] = {}

    def list_newer(self, address: str) -> tuple[BaseImageVersion, ...]:
        """Returns the newer versions of a base image that a connector may use, oldest first."""
        current = self._catalog.find(address)
        if current is None:
            return ()
        found = [
            item
            for item in self._catalog.of(current.repository)
            if item.semver > current.semver and not item.is_prerelease and not item.withdrawal
        ]
        return tuple(sorted(found, key=lambda item: item.semver))

    def examine(self, tools: Tools, versions: Sequence[BaseImageVersion], platform: Platform) -> Iterator[NewerBase]:
        """Yields the contents of the versions that the store has; nothing is downloaded."""
        for item in versions:
            key = (item.address, platform)
            if key not in self._examined:
                self._examined[key] = _examine(tools, item, platform)
            if found := self._examined[key]:
                yield found


def _examine(tools: Tools, version: BaseImageVersion, platform: Platform) -> NewerBase | None:
    try:
        image = local.find(tools.store, version.address, platform)
        if image is None or not tools.store.holds(image):
            return None
        bill = examine.examine(tools, LocatedImage(image), version.repository, is_base=True)
    except AirbyteCiError:
        return None
    return NewerBase(version.version, audit(bill).packages)
