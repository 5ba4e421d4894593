"""The layers of images that the store has a name for, with their sizes and origins. Reads manifests only."""

from collections.abc import Iterator
from dataclasses import dataclass

from airbyte_ci.errors import BlobNotFound, ImageError
from airbyte_ci.images import layer_origins
from airbyte_ci.images.layer_origins import Origin
from airbyte_ci.images.order import DEFAULT_TAG
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import BASE_DIGEST, Image, Index
from airbyte_ci.oci.store.store import Store


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer of an image: its digest, compressed size and origin."""

    digest: Digest
    size: int
    origin: Origin


def of(store: Store, repository: str, tag: str = DEFAULT_TAG) -> tuple[StoredLayer, ...]:
    """Returns the layers of the first platform of the repository's image; empty if the store has no such image."""
    try:
        descriptor = store.resolve(f"{repository}:{tag}")
        if descriptor is None:
            return ()
        found = store.manifest(descriptor.digest)
        image = store.image(found.manifests[0].digest if isinstance(found, Index) else descriptor.digest)
        return tuple(_layers(image, _base_layers(store, image)))
    except (BlobNotFound, ImageError, IndexError):
        return ()


def _base_layers(store: Store, image: Image) -> int:
    """Returns how many of the lowest layers are the base image's; 0 if the store does not have the base."""
    name = image.manifest.annotations.get(BASE_DIGEST)
    digest = Digest.parse(name) if name else None
    if digest is None or not store.has(digest):
        return 0
    base = store.manifest(digest)
    if isinstance(base, Index):
        base = store.image(base.select(image.config.platform, name or "").digest).manifest
    return len(base.layers)


def _layers(image: Image, base_layers: int) -> Iterator[StoredLayer]:
    origins = layer_origins.of(image, base_layers)
    for layer, origin in zip(image.manifest.layers, origins, strict=True):
        yield StoredLayer(layer.digest, layer.size, origin)
