"""Locates an image by a file or folder, a name in the store, or an address in a registry, without its layers."""

from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.errors import BlobNotFound, ImageError, UsageError
from airbyte_ci.images import base as bases
from airbyte_ci.images import read_archive
from airbyte_ci.oci import local
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.environment.tools import Tools


@dataclass(frozen=True, slots=True)
class LocatedImage:
    """An image in the store, whose layers may still be in the registry of its `reference` or of its base image.

    `reference` is None for files and for names in the store.
    """

    image: Image
    reference: Reference | None = None

    @property
    def sources(self) -> tuple[Reference, ...]:
        """Returns the repositories that may have its layers."""
        return tuple(place for place in (self.reference, bases.annotated(self.image)) if place)

    def complete(self, tools: Tools) -> None:
        """Puts the layers that the store lacks into it; raises BlobNotFound, RegistryError."""
        if tools.store.holds(self.image):
            return
        if self.reference:
            tools.say(f"pulling {self.reference}")
            tools.registries.pull(self.reference, self.image.config.platform, tools.store)
            return
        bases.complete(tools.store, self.image, self.sources, tools.registries)


def locate_image(tools: Tools, text: str, platform: Platform) -> LocatedImage:
    """Returns the platform's image; raises UsageError, RegistryError, ImageError."""
    found = _locate(tools, text, platform)
    made_for = found.image.config.platform
    if made_for.architecture and not platform.accepts(made_for):
        raise ImageError(f"{text} is an image for {made_for}, not for {platform}", advice=f"--platform {made_for}")
    return found


def _locate(tools: Tools, text: str, platform: Platform) -> LocatedImage:
    path = Path(text)
    if path.exists():
        return LocatedImage(read_archive.read(tools.store, path, platform))
    if named := local.find_named(tools.store, text, platform):
        return LocatedImage(named)
    try:
        reference = Reference.parse(text)
    except ImageError as error:
        raise UsageError(
            f"cannot find the image {text!r}: it is neither a file, nor a name in the store, nor an address"
        ) from error
    if reference.digest and (known := local.find(tools.store, reference, platform)):
        return LocatedImage(known, reference)
    try:
        return LocatedImage(tools.registries.image(reference, platform, tools.store), reference)
    except BlobNotFound as error:
        raise UsageError(
            f"cannot find the image {text!r}: it is neither a file, nor in the store, nor in {reference.registry}",
            advice=error.advice,
        ) from error
