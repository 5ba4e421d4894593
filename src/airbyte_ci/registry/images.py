"""Downloads images into the store: the manifest for a platform, its configuration, its layers."""

import threading

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.image import MANIFEST_LIMIT, Descriptor, Image, ImageConfig, Index, Manifest, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry import blobs, manifests
from airbyte_ci.registry.api import Api
from airbyte_ci.registry.parallel import each

# An index may list indexes (image-spec, image-index.md); endless nesting is an attack.
_MOST_INDEXES = 4


def image(api: Api, reference: Reference, platform: Platform, store: Store) -> Image:
    """Downloads the platform's manifest and configuration into the store, but no layer."""
    manifest = _for_platform(api, reference, platform, store)
    if manifest.config.size > MANIFEST_LIMIT:
        raise ImageError(f"a configuration of {manifest.config.size} bytes is too large")
    blob(api, reference, manifest.config, store)
    raw = store.read(manifest.config.digest)
    config = ImageConfig.parse(raw, f"configuration {manifest.config.digest.short}")
    built_for = config.platform
    if built_for.architecture and not platform.accepts(built_for):
        raise ImageError(f"the image is for {built_for}, not for {platform}")
    return Image(manifest, config)


def pull(api: Api, reference: Reference, platform: Platform, store: Store) -> Image:
    """Downloads the image with all its layers, several in parallel."""
    found = image(api, reference, platform, store)
    layers = {layer.digest: layer for layer in found.manifest.layers}

    def bring(layer: Descriptor, stop: threading.Event) -> None:
        blob(api, reference, descriptor=layer, store=store, stop=stop)

    each(layers.values(), api.options.concurrency, bring)
    return found


def blob(
    api: Api,
    reference: Reference,
    descriptor: Descriptor,
    store: Store,
    stop: threading.Event | None = None,
) -> None:
    """Downloads a blob into the store if it is missing; threads that need the same blob wait for the first one."""
    with api.only_one(str(descriptor.digest)):
        if not store.has(descriptor.digest):
            blobs.pull(api, reference, descriptor, store, stop)


def _for_platform(api: Api, reference: Reference, platform: Platform, store: Store) -> Manifest:
    found = _kept(api, reference, None, store)
    for _ in range(_MOST_INDEXES):
        if isinstance(found, Manifest):
            return found
        chosen = found.select(platform, f"{reference}")
        found = _kept(api, reference.with_digest(chosen.digest), chosen, store)
    raise ImageError("its indexes are nested too deeply")


def _kept(api: Api, reference: Reference, expected: Descriptor | None, store: Store) -> Manifest | Index:
    """Returns a manifest from the store if it is named by digest and present, else stores the registry's."""
    if reference.digest and store.has(reference.digest):
        return store.manifest(reference.digest)
    found = manifests.read(api, reference)
    if expected and (len(found.raw), found.media_type) != (expected.size, expected.media_type):
        raise ImageError(f"the index describes {expected.digest.short} incorrectly")
    store.put(found.raw)
    return found
