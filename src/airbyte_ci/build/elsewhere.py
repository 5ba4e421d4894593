"""An environment's layers in a registry, under the connector's last images: found by the key that the layers carry.

So a machine with an empty store, after a base upgrade, mounts them instead of making them. Whoever can push to that
repository is trusted with what it says, as with the images themselves.
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
from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.store import Store
from airbyte_ci.python.install import Found
from airbyte_ci.python.layers import PART

# More old images than this are not looked at: most environments are new, and each look is a round trip.
_MOST_TAGS = 3
_PART = re.compile(r"(sha256:[0-9a-f]{64}) (\d+)/(\d+)")


def find(
    registries: RegistryClient,
    store: Store,
    target: Reference,
    platform: Platform,
    media_type: str,
    keys: Iterable[Digest],
) -> Found | None:
    """The environment's layers, if the target's own tag or one of the newest versions beside it has them."""
    rest = filter(_has_parts, _images(registries, store, target, platform))
    seen = list(itertools.islice(rest, 1))
    for key in keys if seen else ():
        # Each image is looked at once, and only as far as needed; for the next key all are at hand.
        for image in itertools.chain(tuple(seen), _noted(rest, seen)):
            layers = parts(image, key)
            if layers and all(layer.descriptor.media_type == media_type for layer in layers):
                return Found(key, layers, target)
    return None


def _noted(images: Iterator[Image], seen: list[Image]) -> Iterator[Image]:
    for image in images:
        seen.append(image)
        yield image


def _has_parts(image: Image) -> bool:
    return any(PART in descriptor.annotations for descriptor, _ in image.layers)


def parts(image: Image, key: Digest) -> tuple[Layer, ...]:
    """The image's layers of this environment, in order; empty unless all of them are there."""
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
