"""Where an image's layers come from: its base image, packages, code or customization. Cheap to import."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from airbyte_ci.oci.image import Image

Origin = Literal["base image", "packages", "code", "customization"]
ORIGINS: tuple[Origin, ...] = ("base image", "packages", "code", "customization")

# History entries of airbyte-ci's own operations; every other one belongs to a customization.
_KNOWN: Mapping[str, Origin] = {
    "remove replaced Python distributions": "packages",
    "install Python dependencies": "packages",
    "add third-party jars": "packages",
    "add the framework's jars": "packages",
    "add the connector": "code",
    "copy the connector's code": "code",
}


def sizes(image: Image, base_layers: int) -> dict[Origin, int]:
    """Returns the compressed bytes of the image's layers by origin; `base_layers` is the number of the base's."""
    found = dict.fromkeys(ORIGINS, 0)
    texts = list(_histories(image.config.document))
    for position, layer in enumerate(image.manifest.layers):
        text = texts[position] if len(texts) == len(image.manifest.layers) else ""
        found["base image" if position < base_layers else _KNOWN.get(text, "customization")] += layer.size
    return found


def _histories(document: Mapping[str, Any]) -> Iterator[str]:
    """Yields the command of each layer's history entry."""
    for item in document.get("history") or ():
        if isinstance(item, dict) and not item.get("empty_layer"):
            yield str(item.get("created_by", ""))
