"""Images for tests: random but repeatable, and valid for every tool. Knows nothing of registries."""

import gzip
import io
import random
import tarfile

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYER_GZIP, Descriptor, Image, ImageConfig, Index, Manifest, Platform
from airbyte_ci.oci.store.store import Store

AMD64 = Platform("linux", "amd64")


def random_layer(seed: int, size: int) -> tuple[bytes, Digest]:
    """Returns a gzipped tar with one file of `size` random bytes, and its diffID; the same for the same seed."""
    data = random.Random(seed).randbytes(size)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo(f"random/{seed}")
        member.size = size
        archive.addfile(member, io.BytesIO(data))
    # Random bytes do not compress; not trying keeps large images quick.
    return gzip.compress(tar.getvalue(), compresslevel=0, mtime=0), Digest.of(tar.getvalue())


def random_image(
    store: Store, *, seed: int = 0, layers: int = 2, size: int = 1000, platform: Platform = AMD64
) -> Image:
    """Adds an image with `layers` layers of about `size` bytes each to the store."""
    descriptors, diff_ids = [], []
    for number in range(layers):
        blob, diff_id = random_layer(seed * 1000 + number, size)
        descriptors.append(Descriptor(LAYER_GZIP, store.put(blob), len(blob)))
        diff_ids.append(diff_id)
    config = ImageConfig.make(
        {
            **platform.to_json(),
            "config": {"Cmd": ["/bin/true"], "Labels": {"seed": str(seed)}},
            "rootfs": {"type": "layers", "diff_ids": [str(item) for item in diff_ids]},
        }
    )
    manifest = Manifest.make(config.descriptor, tuple(descriptors), {})
    return store.put_image(manifest, config)


def random_index(store: Store, platforms: tuple[Platform, ...], *, seed: int = 0) -> Index:
    """Adds an index with one random image per platform to the store."""
    entries = []
    for number, platform in enumerate(platforms):
        image = random_image(store, seed=seed * 100 + number, platform=platform)
        described = image.manifest.descriptor
        entries.append(Descriptor(described.media_type, described.digest, described.size, platform=platform))
    index = Index.make(tuple(entries), {})
    store.put(index.raw)
    return index
