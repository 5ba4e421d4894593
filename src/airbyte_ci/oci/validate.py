"""Validates an image in a store: recomputes every digest and compares it with the image's claims."""

import gzip
import zlib
from typing import BinaryIO

from airbyte_ci.errors import DigestMismatch, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Index, Manifest
from airbyte_ci.oci.store.store import Store

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def validate(store: Store, digest: Digest) -> None:
    """Checks an image, or an index with all its images; raises ImageError for the first false claim."""
    manifest = store.manifest(digest)
    if isinstance(manifest, Index):
        for item in manifest.manifests:
            _check_size(store, item)
            validate(store, item.digest)
    else:
        _validate_image(store, manifest)


def _validate_image(store: Store, manifest: Manifest) -> None:
    image: Image = store.image(manifest.digest)
    _check_size(store, manifest.config)
    for layer, diff_id in image.layers:
        _check_size(store, layer)
        _check_diff_id(store, layer, diff_id)


def _check_size(store: Store, item: Descriptor) -> None:
    with store.open(item.digest) as blob:
        size = 0
        while chunk := blob.read(1 << 20):  # reading to the end verifies the digest
            size += len(chunk)
    if size != item.size:
        raise ImageError(f"{item.digest} has {size} bytes, and its descriptor says {item.size}")


def _check_diff_id(store: Store, layer: Descriptor, diff_id: Digest) -> None:
    with store.path(layer.digest).open("rb") as blob:
        magic = blob.read(4)
        blob.seek(0)
        try:
            found = _digest_inside(blob, magic)
        except (OSError, EOFError, zlib.error) as error:
            raise ImageError(f"layer {layer.digest} cannot be unpacked ({error})") from error
    if found != diff_id:
        raise DigestMismatch(f"layer {layer.digest} unpacks to {found}, and the configuration says {diff_id}")


def _digest_inside(blob: BinaryIO, magic: bytes) -> Digest:
    """Returns the digest of the archive in a blob; raises OSError, EOFError, zlib.error if it cannot be unpacked."""
    if magic != _ZSTD:
        return Digest.of_stream(gzip.GzipFile(fileobj=blob) if magic.startswith(_GZIP) else blob)
    import zstandard  # few layers are

    try:
        return Digest.of_stream(zstandard.ZstdDecompressor().stream_reader(blob, read_across_frames=True))
    except zstandard.ZstdError as error:
        raise OSError(str(error)) from error
