"""Two images that should be one: the first differing file of the first differing layer is named."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from airbyte_ci.images import reproduce
from airbyte_ci.oci import recompress
from airbyte_ci.oci.image import Image, ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory, symlink

SAME = [directory("etc"), Entry(path="etc/same", content=b"same")]
FILES = [directory("opt"), Entry(path="opt/a", content=b"a"), Entry(path="opt/b", content=b"b"), symlink("opt/c", "b")]


def image(store: Store, *layers: Sequence[Entry], label: str = "") -> Image:
    made = [layer_of(store, entries) for entries in layers]
    config = ImageConfig.make(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Labels": {"label": label}},
            "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in made]},
        }
    )
    return store.put_image(Manifest.make(config.descriptor, tuple(layer.descriptor for layer in made), {}), config)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize(
    ("second", "said"),
    [
        ([*FILES[:2], Entry(path="opt/b", content=b"c"), FILES[3]], "layer 1: /opt/b has different contents"),
        ([*FILES[:2], replace(FILES[2], mode=0o600), FILES[3]], "layer 1: /opt/b: mode 644 and mode 600"),
        ([*FILES[:2], replace(FILES[2], uid=7, gid=8), FILES[3]], "layer 1: /opt/b: owner 0:0 and owner 7:8"),
        ([*FILES[:3], symlink("opt/c", "a")], "layer 1: /opt/c: link to 'b' and link to 'a'"),
        (FILES[:3], "layer 1: /opt/c is only in the first"),
        ([*FILES, Entry(path="opt/d", content=b"")], "layer 1: /opt/d is only in the second"),
    ],
)
def test_the_first_difference_is_named(tmp_path: Path, second: Sequence[Entry], said: str, compression: str) -> None:
    """Contents, mode, owner, target, or that it is not there at all; the layers need not be in one store."""
    stores = Store(tmp_path / "one"), Store(tmp_path / "other")
    images = [image(stores[0], SAME, FILES), image(stores[1], SAME, second)]
    if compression == "zstd":
        images = [recompress.zstd(store, item, 1) for store, item in zip(stores, images, strict=True)]
    assert reproduce.difference(stores[0], images[0], stores[1], images[1]) == said


def test_what_is_in_no_layer_is_named_too(tmp_path: Path) -> None:
    """Another number of layers, another compression of the same archive, another configuration."""
    store = Store(tmp_path)
    one = image(store, SAME, FILES)
    for other, said in (
        (image(store, SAME), "2 layers and 1"),
        (image(store, SAME, FILES, label="x"), "the configuration"),
        (recompress.zstd(store, one, 1), "layer 1 is the same archive, but its compressed bytes differ"),
    ):
        assert reproduce.difference(store, one, store, other) == said
