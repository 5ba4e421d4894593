"""Who uses which base image: addresses of connectors and a catalogue → versions and their users."""

from collections.abc import Iterable

from airbyte_ci.base_images.catalogue import BaseImageVersion, Catalogue

Users = dict[tuple[str, str], list[str]]


def users(catalogue: Catalogue, addresses: Iterable[tuple[str, str | None]]) -> Users:
    """(repository, version) → the names of the connectors on it, in their order.

    `addresses` are (connector, base image). Where several versions share a digest, the tag tells which is meant.
    """
    found: Users = {}
    versions: dict[str, BaseImageVersion | None] = {}
    for name, address in addresses:
        if not address:
            continue
        if address not in versions:
            versions[address] = catalogue.find(address)
        if version := versions[address]:
            found.setdefault((version.repository, version.version), []).append(name)
    return found
