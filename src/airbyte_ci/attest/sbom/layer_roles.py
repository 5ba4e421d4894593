"""The role of each layer of an image: the base image, packages, the connector's code, or its customization.

The history of an image that airbyte-ci built names them. It is part of the configuration, so every copy has it.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from airbyte_ci.images import layer_origins
from airbyte_ci.images.layer_origins import Origin as LayerOrigin
from airbyte_ci.oci.image import Image
from airbyte_ci.python.environment import layer_texts, layers

_COMMENT = "airbyte-ci"


class LayerRole(Enum):
    """The part of a build that made a layer; `OTHER` are layers on a base by another tool, `UNKNOWN` those without."""

    BASE = "base"
    PACKAGES = "packages"
    CODE = "code"
    HOOK = "hook"
    OTHER = "other"
    UNKNOWN = "unknown"


_ROLES: Mapping[LayerOrigin, LayerRole] = {
    "packages": LayerRole.PACKAGES,
    "code": LayerRole.CODE,
    "customization": LayerRole.HOOK,
}

# Layers below the packages of an installation.
_PREPARING = (layer_texts.COMPILED, layer_texts.REMOVED)


def of_image(image: Image, base_layers: int | None) -> tuple[LayerRole, ...]:
    """Returns the role of each layer. Without a number of base layers, the layers below the packages are the base's.

    Layers of another tool are UNKNOWN if the number is not known.
    """
    entries = layer_origins.entries(image)
    if base_layers is None:
        base_layers = _lowest(image, entries)
    if base_layers is None:
        return (LayerRole.UNKNOWN,) * len(entries)
    above = (_role(entry) for entry in entries[base_layers:])
    return (LayerRole.BASE,) * min(base_layers, len(entries)) + tuple(above)


def _lowest(image: Image, entries: Sequence[Mapping[str, Any]]) -> int | None:
    """Returns the place of the connector's lowest layer of packages or code; None if another tool built the image.

    A base image that airbyte-ci built has packages too, but not the annotation of layers that connectors share. Copies
    of an image may lack the annotation; then the packages begin at the first layers below the code that prepare their
    installation.
    """
    code = [number for number, entry in enumerate(entries) if _role(entry) is LayerRole.CODE]
    if not code:
        return None
    marked = [number for number, (layer, _) in enumerate(image.layers) if layers.PART in layer.annotations]
    lowest = min([*marked, *code])
    is_below = False
    while lowest and _role(entries[lowest - 1]) is LayerRole.PACKAGES:
        is_preparing = entries[lowest - 1].get("created_by") in _PREPARING
        if not is_preparing and (marked or is_below):
            break
        is_below |= is_preparing
        lowest -= 1
    return lowest


def _role(entry: Mapping[str, Any]) -> LayerRole:
    if not _is_ours(entry):
        return LayerRole.OTHER
    return _ROLES[layer_origins.above_base(entry)]


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return str(entry.get("comment", "")).startswith(_COMMENT)
