"""Where an image's layers come from: its base image, packages, code or customization. Cheap to import."""

from collections.abc import Mapping
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
    below: list[Origin] = ["base image" for _ in image.manifest.layers[:base_layers]]
    return (*below, *map(above_base, entries(image)[base_layers:]))


def above_base(entry: Mapping[str, Any]) -> Origin:
    """Returns the origin of a layer above the base image, by its history entry."""
    return KNOWN.get(str(entry.get("created_by")), "customization")


def sizes(image: Image, base_layers: int) -> dict[Origin, int]:
    """Returns the compressed bytes of the image's layers by origin."""
    found = dict.fromkeys(ORIGINS, 0)
    for layer, origin in zip(image.manifest.layers, of(image, base_layers), strict=True):
        found[origin] += layer.size
    return found


def entries(image: Image) -> list[Mapping[str, Any]]:
    """Returns the history entry of each layer; empty ones for the lowest layers of a base with a shorter history."""
    history = image.config.document.get("history") or []
    found = [item for item in history if isinstance(item, dict) and not item.get("empty_layer")]
    count = len(image.manifest.layers)
    # airbyte-ci's own entries are the last ones.
    return [*({} for _ in range(count - len(found))), *found[max(0, len(found) - count) :]]
