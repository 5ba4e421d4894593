"""Reads saved images into the store: those of `docker save` and `podman save`, and OCI layouts (a tar or a folder).

The archive is untrusted: blobs are stored under the digest of their bytes, and layers are verified when unpacked.
"""

import posixpath
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from airbyte_ci.documents import load_json
from airbyte_ci.errors import AirbyteCiError, ImageError, UsageError
from airbyte_ci.oci.digest import Digest, chunks
from airbyte_ci.oci.image import (
    LAYER_GZIP,
    LAYER_TAR,
    LAYER_ZSTD,
    MANIFEST_LIMIT,
    Descriptor,
    Image,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    parse_manifest,
)
from airbyte_ci.oci.store.store import Store

Opener = Callable[[str], IO[bytes]]
_MAGIC = ((b"\x1f\x8b", LAYER_GZIP), (b"\x28\xb5\x2f\xfd", LAYER_ZSTD))
# An index may name indexes.
_MOST_INDEXES = 4


def read(store: Store, path: Path, platform: Platform) -> Image:
    """Adds the image of a file or folder to the store and returns it; raises UsageError, ImageError."""
    try:
        with _opened(path) as open_file:
            if (raw := _small(open_file, "index.json")) is not None:
                return _of_layout(store, open_file, Index.parse(raw, f"index.json in {path}"), path, platform)
            if (raw := _small(open_file, "manifest.json")) is not None:
                return _of_docker(store, open_file, raw, path)
    except (OSError, tarfile.TarError, EOFError, ValueError, LookupError, TypeError) as error:
        if isinstance(error, AirbyteCiError):
            raise
        raise ImageError(f"cannot read the image in {path}: {error}") from error
    raise UsageError(
        f"cannot read the image in {path}: it has neither index.json (OCI) nor manifest.json (docker save)",
        advice="docker save IMAGE -o image.tar",
    )


@contextmanager
def _opened(path: Path) -> Iterator[Opener]:
    """Gives the function that opens a file by its path in the archive; it raises KeyError for a missing one."""
    if path.is_dir():
        root = path.resolve()

        def open_in_folder(name: str) -> IO[bytes]:
            place = (root / name).resolve()
            if not place.is_relative_to(root) or not place.is_file():
                raise KeyError(name)
            return place.open("rb")

        yield open_in_folder
        return
    try:
        opened = tarfile.open(path)  # noqa: SIM115  # closed below
    except tarfile.ReadError as error:
        raise ImageError(f"cannot read the image in {path}: it is not a tar archive") from error
    with opened as archive:
        members = {posixpath.normpath(member.name): member for member in archive}

        def open_member(name: str) -> IO[bytes]:
            found = archive.extractfile(members[posixpath.normpath(name)])
            if found is None:
                raise KeyError(name)
            return found

        yield open_member


def _small(open_file: Opener, name: str) -> bytes | None:
    try:
        with open_file(name) as source:
            raw = source.read(MANIFEST_LIMIT + 1)
    except KeyError:
        return None
    if len(raw) > MANIFEST_LIMIT:
        raise ImageError(f"{name} is larger than {MANIFEST_LIMIT} bytes")
    return raw


def _of_layout(store: Store, open_file: Opener, index: Index, path: Path, platform: Platform) -> Image:
    for _ in range(_MOST_INDEXES):
        found = [item for item in index.manifests if item.platform is None or platform.accepts(item.platform)]
        distinct = {item.digest: item for item in found}
        if len(distinct) != 1:
            names = ", ".join(sorted(str(digest.short) for digest in distinct))
            raise UsageError(
                f"{path} has {len(distinct)} images for {platform}{f': {names}' if names else ''}",
                advice="save one image in a file of its own",
            )
        (chosen,) = distinct.values()
        raw = _small(open_file, _place(chosen.digest))
        if raw is None or Digest.of(raw) != chosen.digest:
            raise ImageError(f"{path} lacks the manifest {chosen.digest.short}, or has another one")
        manifest = parse_manifest(raw, f"manifest {chosen.digest.short}")
        if isinstance(manifest, Index):
            index = manifest
            continue
        for blob in (manifest.config, *manifest.layers):
            _put(store, open_file, _place(blob.digest), expected=blob.digest)
        store.put(raw)
        return store.image(manifest.digest)
    raise ImageError(f"the indexes in {path} are nested too deeply")


def _of_docker(store: Store, open_file: Opener, raw: bytes, path: Path) -> Image:
    images = load_json(raw)
    if len(images) != 1:
        raise UsageError(f"{path} has {len(images)} images", advice="save one image in a file of its own")
    config = ImageConfig.parse(_small(open_file, images[0]["Config"]) or b"", f"configuration in {path}")
    layers = tuple(_put(store, open_file, str(name)) for name in images[0]["Layers"])
    return store.put_image(Manifest.make(config.descriptor, layers, {}), config)


def _put(store: Store, open_file: Opener, name: str, *, expected: Digest | None = None) -> Descriptor:
    """Copies a blob into the store."""
    with open_file(name) as source:
        start = source.read(4)
        source.seek(0)
        media_type = next((kind for magic, kind in _MAGIC if start.startswith(magic)), LAYER_TAR)
        if expected and store.has(expected):
            return Descriptor(media_type, expected, store.size(expected))
        with store.writer(expected=expected) as writer:
            for chunk in chunks(source):
                writer.write(chunk)
    return Descriptor(media_type, writer.digest, writer.size)


def _place(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"
