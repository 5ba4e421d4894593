"""zstd: the same archives in another compression, only of airbyte-ci's layers, once per layer."""

from pathlib import Path

import pytest
import zstandard

from airbyte_ci.oci import compress, recompress
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYER_GZIP, LAYER_ZSTD, Descriptor, Image, ImageConfig, Manifest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.validate import validate
from airbyte_ci.testing.images import random_image


def test_archives_and_configuration_stay(tmp_path: Path) -> None:
    """The base's layers are unchanged; the others keep their diffIDs, and the configuration its digest."""
    store = Store(tmp_path)
    image = random_image(store, layers=3, size=50_000)
    packed = recompress.zstd(store, image, 1)
    assert packed.config.raw == image.config.raw
    assert packed.manifest.layers[0] == image.manifest.layers[0]
    assert [layer.media_type for layer in packed.manifest.layers] == [LAYER_GZIP, LAYER_ZSTD, LAYER_ZSTD]
    validate(store, packed.digest)
    assert recompress.zstd(store, image, 1) == packed
    assert recompress.zstd(store, packed, 1) == packed
    store.path(packed.manifest.layers[2].digest).unlink()
    assert recompress.zstd(store, image, 1) == packed, "what was collected is made again"


@pytest.mark.parametrize("members", [1, 2, 7])
def test_every_member_is_converted(tmp_path: Path, members: int) -> None:
    """Layers are concatenations of gzip members, large and empty ones too; annotations go along."""
    store = Store(tmp_path)
    pieces = [bytes([number]) * (number * 700_000) for number in range(members)]
    blob = b"".join(map(compress.member, pieces))
    whole = b"".join(pieces)
    layer = Descriptor(LAYER_GZIP, store.put(blob), len(blob), {"a": "b"})
    config = ImageConfig.make({"rootfs": {"type": "layers", "diff_ids": [str(Digest.of(whole))]}})
    image = Image(Manifest.make(config.descriptor, (layer,), {}), config)
    (packed,) = recompress.zstd(store, store.put_image(image.manifest, image.config), 0).manifest.layers
    assert packed.annotations == {"a": "b"}
    data = store.read(packed.digest)
    assert len(data) == packed.size
    assert zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read() == whole
