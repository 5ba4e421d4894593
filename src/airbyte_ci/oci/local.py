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
        manifest = store.manifest(reference.digest)
        chosen = manifest.select(platform, str(reference)) if isinstance(manifest, Index) else manifest.descriptor
        return store.image(chosen.digest)
    except BlobNotFound:
        return None


def whole(store: Store, digest: Digest) -> Image | None:
    """Returns the image whose manifest has this digest, if all of it is in the store."""
    try:
        image = store.image(digest)
    except BlobNotFound:
        return None
    return image if store.holds(image) else None
