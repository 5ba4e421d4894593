"""Where an image's layers come from: its base image, packages, code or customization. Cheap to import."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from airbyte_ci.oci.image import Image
from airbyte_ci.python.environment import layer_texts

Origin = Literal["base image", "packages", "code", "customization"]
ORIGINS: tuple[Origin, ...] = ("base image", "packages", "code", "customization")

# The texts of a connector's layers in an image's history.
COPIED = "copy the connector's code"
THIRD_PARTY, FRAMEWORK, OWN = "add third-party jars", "add the framework's jars", "add the connector"
# History entries of airbyte-ci's own operations; every other one belongs to a customization.
KNOWN: Mapping[str, Origin] = {
    layer_texts.COMPILED: "packages",
    layer_texts.REMOVED: "packages",
    layer_texts.INSTALLED: "packages",
    THIRD_PARTY: "packages",
    FRAMEWORK: "packages",
    OWN: "code",
    COPIED: "code",
}


def of(image: Image, base_layers: int) -> tuple[Origin, ...]:
    """Returns the origin of each layer; `base_layers` is the number of the base image's."""
    texts = list(_histories(image.config.document))
    layers = image.manifest.layers
    # A base may have a shorter history than layers; airbyte-ci's own entries are the last ones.
    count = len(layers) - base_layers
    above = [*[""] * (count - len(texts)), *texts[len(texts) - count :]] if count else []
    below: list[Origin] = ["base image" for _ in layers[:base_layers]]
    return (*below, *(KNOWN.get(text, "customization") for text in above))


def sizes(image: Image, base_layers: int) -> dict[Origin, int]:
    """Returns the compressed bytes of the image's layers by origin."""
    found = dict.fromkeys(ORIGINS, 0)
    for layer, origin in zip(image.manifest.layers, of(image, base_layers), strict=True):
        found[origin] += layer.size
    return found


def _histories(document: Mapping[str, Any]) -> Iterator[str]:
    """Yields the command of each layer's history entry."""
    for item in document.get("history") or ():
        if isinstance(item, dict) and not item.get("empty_layer"):
            yield str(item.get("created_by", ""))
