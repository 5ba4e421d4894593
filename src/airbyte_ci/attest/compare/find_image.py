"""Finds an image to compare: by a file or folder, a name in the store, or an address in a registry; and its base."""

from dataclasses import dataclass

from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.images import base as bases
from airbyte_ci.images.locate_image import locate_image
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.python.environment.tools import Tools


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image with all its layers in the store, and its base if that is known. `base_name` is for people."""

    name: str
    image: Image
    base: Image | None = None
    base_name: str = ""


def find_image(tools: Tools, text: str, platform: Platform, base: str | None = None) -> FoundImage:
    """Returns an image of the platform; `base` names its base image if its annotations do not.

    Raises UsageError, RegistryError, ImageError.
    """
    image = _find(tools, text, platform)
    name = _short(text)
    if base:
        return with_named_base(tools, name, image, base, platform)
    return with_annotated_base(tools, name, image, platform)


def with_annotated_base(tools: Tools, name: str, image: Image, platform: Platform) -> FoundImage:
    """Returns an image with the base that its annotations name, if the store or a registry has it."""
    reference = bases.annotated(image)
    if reference is None or reference.digest is None:
        return FoundImage(name, image)
    try:
        found = bases.resolve(tools.store, reference, platform, tools.registries)
        bases.complete(tools.store, found, (reference,), tools.registries)
    except AirbyteCiError:
        return FoundImage(name, image)
    return FoundImage(name, image, found, _short(str(reference)))


def with_named_base(tools: Tools, name: str, image: Image, base: str, platform: Platform) -> FoundImage:
    """Returns an image with this base; raises UsageError if their first layers differ."""
    found = _find(tools, base, platform)
    layers = found.config.diff_ids
    if image.config.diff_ids[: len(layers)] != layers:
        raise UsageError(
            f"{base} is not the base of {name}: their first layers differ",
            advice="name the base image by the version or digest with which the image was built",
        )
    return FoundImage(name, image, found, _short(base))


def _find(tools: Tools, text: str, platform: Platform) -> Image:
    located = locate_image(tools, text, platform)
    located.complete(tools)
    return located.image


def _short(text: str) -> str:
    """Returns a name for people: an address with a tag needs no digest, and others need only its start."""
    name, at, digest = text.partition("@sha256:")
    return text if not at else name if ":" in name.rpartition("/")[2] else f"{name}@sha256:{digest[:12]}"
