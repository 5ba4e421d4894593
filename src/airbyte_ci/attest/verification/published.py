"""A published image: its index, its platforms' images and their evidence, as a registry has them now."""

from dataclasses import dataclass, replace

from airbyte_ci.attest.verification import evidence
from airbyte_ci.attest.verification.evidence import Evidence
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, ImageConfig, Index, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.environment.tools import Tools

# An index with more images is not that of a connector.
_MOST_IMAGES = 32
_LARGEST_CONFIG = 4 << 20


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """One platform's image, without its layers, and the documents about it. `name` is its platform."""

    name: str
    image: Image
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """What an address points to. `reference` has the digest; `index` is None for an image of one platform."""

    reference: Reference
    index: Index | None
    evidence: Evidence
    images: tuple[PublishedImage, ...]

    @property
    def digest(self) -> Digest:
        assert self.reference.digest is not None
        return self.reference.digest

    def of(self, digest: Digest) -> Reference:
        """Returns the address of another manifest in the same repository."""
        return self.reference.at(digest)


def fetch(reference: Reference, tools: Tools) -> PublishedRelease:
    """Fetches manifests, configurations and documents; layers stay in the registry.

    Raises ImageError if the address names a tag and a digest that differ, or something that is not an image.
    """
    root = tools.registries.manifest(reference)
    if reference.tag and reference.digest:
        _confirm_tag(reference, tools)
    pinned = replace(reference, digest=root.digest)
    tools.store.put(root.raw)
    found = evidence.collect(tools.registries, pinned, tools.store, tools.executor)
    if isinstance(root, Manifest):
        image = PublishedImage(*_image(pinned, root, tools), found)
        return PublishedRelease(pinned, None, found, (image,))
    if not 0 < len(root.manifests) <= _MOST_IMAGES:
        raise ImageError(f"cannot verify {reference}: its index has {len(root.manifests)} images")
    images = tuple(_child(pinned, item.digest, tools) for item in root.manifests)
    for item, listed in zip(images, root.manifests, strict=True):
        platform = listed.platform
        if platform and str(platform) != item.name:
            raise ImageError(f"cannot verify {reference}: its index names an image for {item.name} as {platform}")
    return PublishedRelease(pinned, root, found, images)


def _confirm_tag(reference: Reference, tools: Tools) -> None:
    assert reference.tag is not None
    now = tools.registries.resolve(reference.with_tag(reference.tag)).digest
    if now != reference.digest:
        raise ImageError(
            f"cannot verify {reference}: the tag {reference.tag} points to another image now, {now}",
            advice="find out who moved the tag, or verify the digest alone",
        )


def _child(root: Reference, digest: Digest, tools: Tools) -> PublishedImage:
    place = root.at(digest)
    manifest = tools.registries.manifest(place)
    if not isinstance(manifest, Manifest):
        raise ImageError(f"cannot verify {root}: its index has another index, {digest.short}")
    name, image = _image(place, manifest, tools)
    return PublishedImage(name, image, evidence.collect(tools.registries, place, tools.store, tools.executor))


def _image(place: Reference, manifest: Manifest, tools: Tools) -> tuple[str, Image]:
    if manifest.config.size > _LARGEST_CONFIG:
        raise ImageError(f"cannot verify {place}: a configuration of {manifest.config.size} bytes is too large")
    tools.store.put(manifest.raw)
    tools.registries.pull_blob(place, manifest.config, tools.store)
    config = ImageConfig.parse(tools.store.read(manifest.config.digest), f"the configuration of {place}")
    image = Image(manifest, config)
    if len(image.layers) != len(manifest.layers) or not str(config.platform):
        raise ImageError(f"cannot verify {place}: it is not an image")
    return str(config.platform), image
