"""Where a built image goes: the store under its local name, and on request a folder, a file, Docker, a registry.

An image for several platforms is an index with an image for each.
"""

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airbyte_ci.build import archive, docker
from airbyte_ci.errors import StoreError, UsageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Index, Platform, canonical_json
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.store import REF_NAME, Store


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

    @property
    def is_registry(self) -> bool:
        """Whether the image goes to a registry, which may have its layers already."""
        return self.kind == "registry"

    def reference(self, repository: str, tag: str) -> Reference:
        """The image's address there, for a registry."""
        prefix = f"{self.place.rstrip('/')}/" if self.place else ""
        return Reference.parse(f"{prefix}{repository}:{tag}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}" if self.place else self.kind


@dataclass(frozen=True, slots=True)
class Result:
    """What is put out: images of the store, one for each platform, and the index of several."""

    images: tuple[Image, ...]
    index: Index | None = None

    @property
    def descriptor(self) -> Descriptor:
        return self.index.descriptor if self.index else self.images[0].manifest.descriptor

    @property
    def raws(self) -> tuple[bytes, ...]:
        """The manifests, and the index."""
        return (*(image.manifest.raw for image in self.images), *([self.index.raw] if self.index else []))

    def for_platform(self, platform: Platform) -> Image | None:
        return next((image for image in self.images if platform.accepts(image.config.platform)), None)


def together(store: Store, images: Sequence[Image]) -> Result:
    """One image as it is; several as an index, kept in the store (image-spec, image-index.md)."""
    if len(images) == 1:
        return Result(tuple(images))
    entries = tuple(replace(image.manifest.descriptor, platform=image.config.platform) for image in images)
    index = Index.make(entries, {})
    store.put(index.raw)
    return Result(tuple(images), index)


def deliver(
    destination: Destination,
    store: Store,
    result: Result,
    name: str,
    sources: Sequence[Reference],
    registries: RegistryClient,
    native: Platform,
) -> str:
    """Puts the image there as `name` (repository:tag) and returns its address for people.

    Raises StoreError, RegistryError. Only a registry may get it with layers that the store lacks, from `sources`.
    """
    if destination.kind == "oci":
        write_layout(store, result, Path(destination.place), name)
        return f"oci:{destination.place}:{name}"
    if destination.kind == "archive":
        write_archive(store, result, Path(destination.place), name)
        return f"archive:{destination.place}"
    if destination.kind == "docker":
        image = result.for_platform(native)
        if image is None:
            raise UsageError(f"--output=docker: none of the platforms is {native}, which this machine runs")
        docker.load(store, image, name)
        return f"docker:{name}"
    repository, _, tag = name.rpartition(":")
    target = destination.reference(repository, tag)
    digest = result.descriptor.digest
    if not registries.stands_for(target, digest):
        registries.push(store, digest, target, sources=sources)
    return str(target.with_digest(digest))


def write_layout(store: Store, result: Result, folder: Path, name: str) -> None:
    """An OCI image layout (image-spec, image-layout.md) with this image under a name; others in it stay."""
    try:
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        for image in result.images:
            for descriptor in (image.manifest.config, *image.manifest.layers):
                _copy(store, descriptor.digest, blobs / descriptor.digest.hex)
        for raw in result.raws:
            digest = Digest.of(raw)
            _copy(store, digest, blobs / digest.hex)
        index = folder / "index.json"
        others = Index.parse(index.read_bytes(), str(index)).manifests if index.exists() else ()
        kept = tuple(item for item in others if item.annotations.get(REF_NAME) != name)
        ours = replace(result.descriptor, annotations={REF_NAME: name})
        if result.index is None:
            ours = replace(ours, platform=result.images[0].config.platform)
        _replace(folder / "oci-layout", canonical_json({"imageLayoutVersion": "1.0.0"}))
        _replace(index, Index.make((*kept, ours), {}).raw)
    except OSError as error:
        raise StoreError(f"writing the image to {folder}: {error.strerror} ({error.filename})") from error


def write_archive(store: Store, result: Result, path: Path, name: str) -> None:
    """The image as one tar file, for `docker load` and for everything that reads OCI archives; whole or not at all."""
    if result.index is not None:
        raise UsageError(
            f"--output=archive:{path}: `docker load` takes one platform, and {len(result.images)} are built",
            advice="--output=oci:DIR, or one -a at a time",
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            archive.write(store, result.images[0], name, file)
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
