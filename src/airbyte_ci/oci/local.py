"""Images as the store has them; no registry is asked."""

from airbyte_ci.errors import BlobNotFound
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, Index, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store import Store


def find(store: Store, reference: Reference, platform: Platform) -> Image | None:
    """The platform's manifest and configuration by the reference's digest, if the store has them; layers may lack.

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
    """The image whose manifest has this digest, if the store has all of it."""
    try:
        image = store.image(digest)
    except BlobNotFound:
        return None
    return image if store.holds(image) else None
