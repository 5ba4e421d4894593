"""An environment's layers in a registry, in the connector's latest images: found by the key on the layers.

After a base upgrade, a machine with an empty store mounts them instead of building them. Anyone who can push to that
repository is trusted with this key, as with the images themselves.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

from packaging.version import InvalidVersion, Version

from airbyte_ci.errors import BlobNotFound, ImageError, RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.install import FoundLayers
from airbyte_ci.python.environment.layers import PART
from airbyte_ci.registry.client import RegistryClient

# The number of old images to check: most environments are new, and each check is a round trip.
_MOST_TAGS = 3
_PART = re.compile(r"(sha256:[0-9a-f]{64}) (\d+)/(\d+)")


def find(
    registries: RegistryClient,
    store: Store,
    target: Reference,
    platform: Platform,
    media_type: str,
    keys: Iterable[Digest],
) -> FoundLayers | None:
    """Returns the environment's layers if the target's own tag or one of the newest versions has them."""
    rest = filter(_has_parts, _images(registries, store, target, platform))
    seen = list(itertools.islice(rest, 1))
    for key in keys if seen else ():
        # Each image is read once, and only if needed; for the next key all are cached.
        for image in itertools.chain(tuple(seen), _noted(rest, seen)):
            layers = parts(image, key)
            if layers and all(layer.descriptor.media_type == media_type for layer in layers):
                return FoundLayers(key, layers, target)
    return None


def _noted(images: Iterator[Image], seen: list[Image]) -> Iterator[Image]:
    for image in images:
        seen.append(image)
        yield image


def _has_parts(image: Image) -> bool:
    return any(PART in descriptor.annotations for descriptor, _ in image.layers)


def parts(image: Image, key: Digest) -> tuple[Layer, ...]:
    """Returns the image's layers of this environment, in order; empty unless all are present."""
    found: dict[int, Layer] = {}
    total = 0
    for descriptor, diff_id in image.layers:
        match = _PART.fullmatch(descriptor.annotations.get(PART, ""))
        if match and match[1] == str(key):
            found[int(match[2])] = Layer(descriptor, diff_id)
            total = int(match[3])
    return tuple(found[number] for number in range(1, total + 1)) if len(found) == total and total in found else ()


def _images(registries: RegistryClient, store: Store, target: Reference, platform: Platform) -> Iterator[Image]:
    seen = set()
    for reference in _references(registries, target):
        try:
            image = registries.image(reference, platform, store)
        except (BlobNotFound, ImageError):
            continue
        if image.digest not in seen:
            seen.add(image.digest)
            yield image


def _references(registries: RegistryClient, target: Reference) -> Iterator[Reference]:
    yield target
    try:
        tags = registries.tags(target)
    except (BlobNotFound, RegistryError):
        return
    versions = []
    for tag in tags:
        try:
            versions.append((Version(tag), tag))
        except InvalidVersion:
            continue
    for _, tag in sorted(versions, reverse=True)[:_MOST_TAGS]:
        if tag != target.tag:
            yield target.with_tag(tag)
