"""Images into the store: an index's manifest for a platform, its configuration, its layers."""

import threading

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.image import MANIFEST_LIMIT, Descriptor, Image, ImageConfig, Index, Manifest, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry import blobs, manifests
from airbyte_ci.oci.registry.api import Api
from airbyte_ci.oci.registry.parallel import each
from airbyte_ci.oci.store import Store

# An index may list indexes (image-spec, image-index.md); one that goes on and on is an attack.
_MOST_INDEXES = 4


def image(api: Api, reference: Reference, platform: Platform, store: Store, doing: str) -> Image:
    """The platform's manifest and configuration into the store; no layer is asked for."""
    manifest = _for_platform(api, reference, platform, store, doing)
    if manifest.config.size > MANIFEST_LIMIT:
        raise ImageError(f"{doing}: a configuration of {manifest.config.size} bytes is too large")
    blob(api, reference, manifest.config, store, doing)
    raw = store.read(manifest.config.digest)
    config = ImageConfig.parse(raw, f"{doing}: configuration {manifest.config.digest.short}")
    built_for = config.platform
    if built_for.architecture and not platform.accepts(built_for):
        raise ImageError(f"{doing}: it is an image for {built_for} and not for {platform}")
    return Image(manifest, config)


def pull(api: Api, reference: Reference, platform: Platform, store: Store, doing: str) -> Image:
    """The image with all its layers, several at once."""
    found = image(api, reference, platform, store, doing)
    layers = {layer.digest: layer for layer in found.manifest.layers}

    def bring(layer: Descriptor, stop: threading.Event) -> None:
        blob(api, reference, layer, store, doing, stop)

    each(layers.values(), api.options.concurrency, bring)
    return found


def blob(
    api: Api,
    reference: Reference,
    descriptor: Descriptor,
    store: Store,
    doing: str,
    stop: threading.Event | None = None,
) -> None:
    """One blob into the store, unless it is there; threads that want the same blob wait for the first."""
    with api.only_one(str(descriptor.digest)):
        if not store.has(descriptor.digest):
            blobs.pull(api, reference, descriptor, store, doing, stop)


def _for_platform(api: Api, reference: Reference, platform: Platform, store: Store, doing: str) -> Manifest:
    found = _kept(api, reference, None, store, doing)
    for _ in range(_MOST_INDEXES):
        if isinstance(found, Manifest):
            return found
        chosen = found.select(platform, f"{reference}")
        found = _kept(api, reference.with_digest(chosen.digest), chosen, store, doing)
    raise ImageError(f"{doing}: its indexes are nested too deeply")


def _kept(api: Api, reference: Reference, expected: Descriptor | None, store: Store, doing: str) -> Manifest | Index:
    """A manifest from the store if it is named by digest and there, else from the registry, and kept."""
    if reference.digest and store.has(reference.digest):
        return store.manifest(reference.digest)
    found = manifests.read(api, reference, doing)
    if expected and (len(found.raw), found.media_type) != (expected.size, expected.media_type):
        raise ImageError(f"{doing}: the index describes {expected.digest.short} incorrectly")
    store.put(found.raw)
    return found
