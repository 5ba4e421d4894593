"""Images that are already in the store; no registry is queried."""

from airbyte_ci.errors import BlobNotFound
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, Index, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store


def find(store: Store, reference: Reference, platform: Platform) -> Image | None:
    """Returns the platform's manifest and configuration by digest, if they are in the store; layers may be missing.

    Raises ImageError for an index without the platform.
    """
    assert reference.digest is not None
    try:
        return _select(store, reference.digest, platform, str(reference))
    except BlobNotFound:
        return None


def find_named(store: Store, name: str, platform: Platform) -> Image | None:
    """Returns the platform's image of a name in the store; None if the store does not have the name.

    Raises BlobNotFound, and ImageError for an index without the platform.
    """
    descriptor = store.resolve(name)
    return _select(store, descriptor.digest, platform, name) if descriptor else None


def _select(store: Store, digest: Digest, platform: Platform, what: str) -> Image:
    manifest = store.manifest(digest)
    chosen = manifest.select(platform, what) if isinstance(manifest, Index) else manifest.descriptor
    return store.image(chosen.digest)


def whole(store: Store, digest: Digest) -> Image | None:
    """Returns the image whose manifest has this digest, if all of it is in the store."""
    try:
        image = store.image(digest)
    except BlobNotFound:
        return None
    return image if store.holds(image) else None
