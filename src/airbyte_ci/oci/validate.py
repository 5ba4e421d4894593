"""Validation: recomputes every digest of an image in a store and compares it with what the image claims."""

import gzip
import zlib

from airbyte_ci.errors import DigestMismatch, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Index, Manifest
from airbyte_ci.oci.store import Store

_GZIP = b"\x1f\x8b"


def validate(store: Store, digest: Digest) -> None:
    """Checks an image, or an index with all its images; raises ImageError for the first claim that is not true."""
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
        packed = blob.read(2) == _GZIP
        blob.seek(0)
        try:
            found = Digest.of_stream(gzip.GzipFile(fileobj=blob) if packed else blob)
        except (OSError, EOFError, zlib.error) as error:
            raise ImageError(f"layer {layer.digest} cannot be unpacked ({error})") from error
    if found != diff_id:
        raise DigestMismatch(f"layer {layer.digest} unpacks to {found}, and the configuration says {diff_id}")
