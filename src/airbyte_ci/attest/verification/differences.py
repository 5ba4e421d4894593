"""Names the first difference between a published image and its second build: the layer, then the file."""

from airbyte_ci.attest.verification.published import PublishedRelease
from airbyte_ci.errors import BlobNotFound, RegistryError
from airbyte_ci.images import reproduce
from airbyte_ci.oci.image import Image
from airbyte_ci.python.environment.tools import Tools


def describe(published: PublishedRelease, first: Image, second: Image, tools: Tools) -> str:
    """Names the first difference; fetches only the first layers that differ."""
    place = published.of(first.digest)
    pairs = zip(first.layers, second.layers, strict=False)
    for number, ((one, one_id), (two, two_id)) in enumerate(pairs):
        if one_id == two_id:
            continue
        try:
            for layer in (one, two):
                tools.registries.pull_blob(place, layer, tools.store)
        except (BlobNotFound, RegistryError) as error:
            return f"layer {number} is {one_id.short} instead of {two_id.short} ({error.message})"
        break
    return reproduce.difference(tools.store, first, tools.store, second)
