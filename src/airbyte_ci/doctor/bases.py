"""The base images in a store, found through the images that were built on them."""

from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.images.summary import PLAN_DIGEST
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import BASE_DIGEST, Image, Index, Platform
from airbyte_ci.oci.store.store import Store


def found(store: Store, native: Platform) -> list[Image]:
    """Returns the base images of connectors' images in the store if all of their layers are present."""
    bases: dict[Digest, Image] = {}
    for entry in map(store.resolve, store.names()):
        for image in _images(store, entry.digest, native) if entry else ():
            built = PLAN_DIGEST in image.manifest.annotations
            below = image.manifest.annotations.get(BASE_DIGEST) if built else None
            for base in _images(store, Digest.parse(below), native) if below else ():
                if store.holds(base):
                    bases[base.digest] = base
    return list(bases.values())


def _images(store: Store, digest: Digest, native: Platform) -> list[Image]:
    """Returns the image, or those of an index that this machine can run; nothing if the store lacks it."""
    try:
        manifest = store.manifest(digest)
        digests = [item.digest for item in manifest.manifests] if isinstance(manifest, Index) else [digest]
        images = [store.image(item) for item in digests if store.has(item)]
    except AirbyteCiError:
        return []
    return [image for image in images if native.accepts(image.config.platform)]
