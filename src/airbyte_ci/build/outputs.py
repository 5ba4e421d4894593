"""Where a built image goes: the store under its local name, and on request a folder, a file, Docker, a registry."""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.build import archive, docker
from airbyte_ci.errors import StoreError, UsageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Index, canonical_json
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store import REF_NAME, Store

Push = Callable[[Digest, Reference, Reference], Descriptor]


@dataclass(frozen=True, slots=True)
class Destination:
    """One `--output`: `oci:DIR`, `archive:FILE`, `docker` or `registry[:PREFIX]`."""

    kind: str
    place: str

    @classmethod
    def parse(cls, text: str) -> "Destination":
        """Raises UsageError for a destination that is not known."""
        kind, _, place = text.partition(":")
        if (kind in ("oci", "archive") and place) or kind == "registry" or text == "docker":
            return cls(kind, place)
        raise UsageError(f"--output {text!r} is not known", advice="oci:DIR, archive:FILE, docker or registry[:PREFIX]")

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}" if self.place else self.kind


def deliver(
    destination: Destination, store: Store, image: Image, repository: str, tag: str, base: Reference, push: Push
) -> str:
    """Puts the image there and returns its address for people; raises StoreError, RegistryError."""
    if destination.kind == "oci":
        write_layout(store, image, Path(destination.place), f"{repository}:{tag}")
        return f"oci:{destination.place}:{repository}:{tag}"
    if destination.kind == "archive":
        write_archive(store, image, Path(destination.place), f"{repository}:{tag}")
        return f"archive:{destination.place}"
    if destination.kind == "docker":
        docker.load(store, image, f"{repository}:{tag}")
        return f"docker:{repository}:{tag}"
    prefix = f"{destination.place.rstrip('/')}/" if destination.place else ""
    target = Reference.parse(f"{prefix}{repository}:{tag}")
    descriptor = push(image.digest, target, base)
    return str(target.with_digest(descriptor.digest))


def write_layout(store: Store, image: Image, folder: Path, name: str) -> None:
    """An OCI image layout (image-spec, image-layout.md) with this image under a name; others in it stay."""
    try:
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        descriptors = [image.manifest.config, *image.manifest.layers]
        for digest in (*(item.digest for item in descriptors), image.digest):
            _copy(store, digest, blobs / digest.hex)
        index = folder / "index.json"
        others = Index.parse(index.read_bytes(), str(index)).manifests if index.exists() else ()
        kept = tuple(item for item in others if item.annotations.get(REF_NAME) != name)
        ours = Descriptor(
            image.manifest.media_type, image.digest, len(image.manifest.raw), {REF_NAME: name}, image.config.platform
        )
        _replace(folder / "oci-layout", canonical_json({"imageLayoutVersion": "1.0.0"}))
        _replace(index, Index.make((*kept, ours), {}).raw)
    except OSError as error:
        raise StoreError(f"writing the image to {folder}: {error.strerror} ({error.filename})") from error


def write_archive(store: Store, image: Image, path: Path, name: str) -> None:
    """The image as one tar file, for `docker load` and for everything that reads OCI archives; whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            archive.write(store, image, name, file)
        partial.replace(path)
    except OSError as error:
        raise StoreError(f"writing the image to {path}: {error.strerror}") from error
    finally:
        _forget(partial)


def _forget(partial: Path) -> None:
    """Removes what was half-written; where that cannot be, the error that led here says why."""
    with contextlib.suppress(OSError):
        partial.unlink()


def _copy(store: Store, digest: Digest, target: Path) -> None:
    if target.exists():
        return
    partial = target.with_name(f".{target.name}.partial")
    try:
        with store.open(digest) as source, partial.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            source.read(1)  # at the end of the bytes they are verified
        partial.replace(target)
    finally:
        _forget(partial)


def _replace(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(path)
