"""The origin of each layer, by its history entry."""

from collections.abc import Sequence

import pytest

from airbyte_ci.images import layer_origins
from airbyte_ci.images.layer_origins import Origin
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYER_GZIP, Descriptor, Image, ImageConfig, Manifest
from airbyte_ci.python.environment import layer_texts

_OWN = (layer_texts.INSTALLED, layer_origins.COPIED, "RUN apt-get install")


@pytest.mark.parametrize("recorded", [0, 1, 2, 3])
@pytest.mark.parametrize("base_layers", [0, 3])
def test_layers_above_the_base_have_the_last_entries(recorded: int, base_layers: int) -> None:
    """A base's history may be shorter than its layers; each layer above it still has its own entry."""
    image = _image(3 + len(_OWN), [*["base"] * recorded, *_OWN])
    below: list[Origin] = ["base image"] * base_layers or ["customization"] * 3
    assert layer_origins.of(image, base_layers) == (*below, "packages", "code", "customization")
    sizes = layer_origins.sizes(image, base_layers)
    assert (sizes["base image"], sizes["packages"], sizes["code"]) == (10 * base_layers, 10, 10)


def test_entries_without_a_layer_are_passed_over() -> None:
    """Instructions that set only the configuration have entries without a layer, and are between the others."""
    image = _image(1, ["ENV A=1", layer_origins.COPIED, "CMD sh"], empty=("ENV A=1", "CMD sh"))
    assert layer_origins.entries(image) == [{"created_by": layer_origins.COPIED}]


def test_a_history_longer_than_the_layers_ends_with_theirs() -> None:
    """The entries of missing layers are those of the base."""
    assert layer_origins.of(_image(1, ["base", "base", layer_origins.COPIED]), 0) == ("code",)


def _image(layers: int, history: Sequence[str], empty: Sequence[str] = ()) -> Image:
    digests = [Digest.of(b"%d" % number) for number in range(layers)]
    config = ImageConfig.make(
        {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [str(digest) for digest in digests]},
            "history": [{"created_by": text, **({"empty_layer": True} if text in empty else {})} for text in history],
        }
    )
    manifest = Manifest.make(config.descriptor, tuple(Descriptor(LAYER_GZIP, digest, 10) for digest in digests), {})
    return Image(manifest, config)
