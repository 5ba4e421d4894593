"""The base image of a build: from the store where it is there, else from its registry, by digest."""

from collections.abc import Callable
from dataclasses import dataclass

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import BlobNotFound, ConnectorError, RegistryError
from airbyte_ci.oci.image import Image, Index, Platform
from airbyte_ci.oci.reference import Reference, parse_pinned
from airbyte_ci.oci.store import Store

Pull = Callable[[Reference, Platform], Image]


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A base image by address, and its image for the platform with all layers in the store."""

    address: Reference
    image: Image


def address(connector: Connector, override: str | None) -> Reference:
    """The base that a build is to use: the override, else what metadata says; raises ConnectorError, ImageError."""
    if not connector.is_python:
        language = connector.language or "no language that is known"
        raise ConnectorError(f"building {connector.name}: it is not a Python connector ({language})")
    text = override or connector.base_image
    if text:
        return parse_pinned(text)
    migrate = f"airbyte-ci connectors --name={connector.name} migrate_to_base_image"
    found = "it is still built from its Dockerfile" if connector.has_dockerfile else "it has no Dockerfile either"
    raise ConnectorError(
        f"building {connector.name}: its metadata names no base image, and {found}", advice=f"`{migrate}`"
    )


def resolve(store: Store, reference: Reference, platform: Platform, pull: Pull) -> BaseImage:
    """The base image with its layers; raises BlobNotFound, RegistryError, ImageError."""
    assert reference.digest is not None
    image = _in_store(store, reference, platform)
    if image is None:
        try:
            image = pull(reference, platform)
        except (RegistryError, BlobNotFound) as error:
            other = "build on a base image that the store has with --base-image"
            raise RegistryError(
                error.message, advice=f"{error.advice}, or {other}" if error.advice else other
            ) from error
    return BaseImage(reference, image)


def _in_store(store: Store, reference: Reference, platform: Platform) -> Image | None:
    assert reference.digest is not None
    try:
        manifest = store.manifest(reference.digest)
        chosen = manifest.select(platform, str(reference)) if isinstance(manifest, Index) else manifest.descriptor
        image = store.image(chosen.digest)
    except BlobNotFound:
        return None
    return image if store.holds(image) else None
