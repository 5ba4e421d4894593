"""Maps the versions of a catalog to the connectors that are built on them."""

from collections.abc import Iterable

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog

Users = dict[tuple[str, str], list[str]]


def users(catalog: Catalog, addresses: Iterable[tuple[str, str | None]]) -> Users:
    """Returns the names of the connectors by (repository, version), in their order.

    `addresses` are (connector, base image). If several versions share a digest, the tag selects one.
    """
    found: Users = {}
    versions: dict[str, BaseImageVersion | None] = {}
    for name, address in addresses:
        if not address:
            continue
        if address not in versions:
            versions[address] = catalog.find(address)
        if version := versions[address]:
            found.setdefault((version.repository, version.version), []).append(name)
    return found
