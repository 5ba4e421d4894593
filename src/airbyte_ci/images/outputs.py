"""The destinations of an image: the store, and on request a folder, a file, Docker or a registry.

An image for several platforms is an index with one image per platform.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from airbyte_ci import disk
from airbyte_ci.errors import StoreError, UsageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYOUT, Descriptor, Image, Index, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import REF_NAME, Store
from airbyte_ci.records import dataclass
from airbyte_ci.registry.client import RegistryClient


@dataclass(frozen=True, slots=True)
class ImageDestination:
    """One `--output`: `oci:DIR`, `archive:FILE`, `docker` or `registry[:PREFIX]`."""

    kind: str
    place: str

    @classmethod
    def parse(cls, text: str) -> "ImageDestination":
        """Parses a destination; raises UsageError for an unknown one."""
        kind, _, place = text.partition(":")
        if (kind in ("oci", "archive") and place) or kind == "registry" or text == "docker":
            return cls(kind, place)
        raise UsageError(
            f"--output {text!r} is not a valid destination", advice="oci:DIR, archive:FILE, docker or registry[:PREFIX]"
        )

    @property
    def is_registry(self) -> bool:
        """Whether the destination is a registry, which may already have the layers."""
        return self.kind == "registry"

    def reference(self, repository: str, tag: str) -> Reference:
        """Returns the image's address in the registry."""
        prefix = f"{self.place.rstrip('/')}/" if self.place else ""
        return Reference.parse(f"{prefix}{repository}:{tag}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}" if self.place else self.kind


@dataclass(frozen=True, slots=True)
class Result:
    """The images to deliver: images of the store, one per platform, and the index of several."""

    images: tuple[Image, ...]
    index: Index | None = None

    @property
    def descriptor(self) -> Descriptor:
        return self.index.descriptor if self.index else self.images[0].manifest.descriptor

    @property
    def raws(self) -> tuple[bytes, ...]:
        """Returns the manifests and the index."""
        return (*(image.manifest.raw for image in self.images), *([self.index.raw] if self.index else []))

    def for_platform(self, platform: Platform) -> Image | None:
        return next((image for image in self.images if platform.accepts(image.config.platform)), None)


def together(store: Store, images: Sequence[Image]) -> Result:
    """Returns one image unchanged; several as an index, stored (image-spec, image-index.md)."""
    if len(images) == 1:
        return Result(tuple(images))
    entries = tuple(replace(image.manifest.descriptor, platform=image.config.platform) for image in images)
    index = Index.make(entries, {})
    store.put(index.raw)
    return Result(tuple(images), index)


def deliver(
    destination: ImageDestination,
    store: Store,
    result: Result,
    names: Sequence[str],
    sources: Sequence[Reference],
    registries: RegistryClient,
    native: Platform,
    fixed: Collection[str] = (),
) -> list[str]:
    """Puts the image there under `names` (repository:tag each) and returns its addresses for people.

    Only a registry may get it with layers that the store lacks, from `sources`. There the `fixed` tags are not moved
    from another image to this one. Raises StoreError, RegistryError.
    """
    if destination.kind == "oci":
        write_layout(store, result, Path(destination.place), names)
        return [f"oci:{destination.place}:{name}" for name in names]
    if destination.kind == "archive":
        write_archive(store, result, Path(destination.place), names)
        return [f"archive:{destination.place}"]
    if destination.kind == "docker":
        image = result.for_platform(native)
        if image is None:
            raise UsageError(f"--output=docker: none of the platforms matches this machine ({native})")
        from airbyte_ci.images import docker

        docker.load(store, image, names)
        return [f"docker:{name}" for name in names]
    return _push(destination, store, result, names, sources, registries, fixed)


def _push(
    destination: ImageDestination,
    store: Store,
    result: Result,
    names: Sequence[str],
    sources: Sequence[Reference],
    registries: RegistryClient,
    fixed: Collection[str],
) -> list[str]:
    """Pushes under all names that do not refer to the image yet; they are tags of one repository."""
    digest = result.descriptor.digest
    targets = [destination.reference(*_split(name)) for name in names]
    # Of several tags none may move before all were looked at, because one may be refused.
    unmoved = fixed if len(targets) == 1 else {target.tag or "" for target in targets}
    missing = [
        target for target in targets if not registries.point_tag(store, digest, target, sources=sources, fixed=unmoved)
    ]
    if missing:
        tags = [target.tag for target in missing if target.tag]
        registries.push(store, digest, missing[0], tags=tags, sources=sources, fixed=fixed)
    return [str(target.with_digest(digest)) for target in targets]


def _split(name: str) -> tuple[str, str]:
    repository, _, tag = name.rpartition(":")
    return repository, tag


def write_layout(store: Store, result: Result, folder: Path, names: Sequence[str]) -> None:
    """Writes an OCI image layout (image-spec, image-layout.md) with this image under its names; others in it stay.

    Any number of threads and processes may write to the same folder.
    """
    try:
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        for image in result.images:
            for descriptor in (image.manifest.config, *image.manifest.layers):
                _copy(store, descriptor.digest, blobs / descriptor.digest.hex)
        for raw in result.raws:
            digest = Digest.of(raw)
            _copy(store, digest, blobs / digest.hex)
        layout, index = folder / "oci-layout", folder / "index.json"
        disk.create_file(layout, LAYOUT)
        with disk.lock(layout):
            others = Index.parse(index.read_bytes(), str(index)).manifests if index.exists() else ()
            kept = tuple(item for item in others if item.annotations.get(REF_NAME) not in names)
            disk.write_file(index, Index.make((*kept, *_named(result, names)), {}).raw)
    except OSError as error:
        raise StoreError(f"cannot write the image to {folder}: {error.strerror} ({error.filename})") from error


def _named(result: Result, names: Sequence[str]) -> Iterator[Descriptor]:
    """Returns the index's entries of an image, one per name."""
    for name in names:
        ours = replace(result.descriptor, annotations={REF_NAME: name})
        yield ours if result.index else replace(ours, platform=result.images[0].config.platform)


def write_archive(store: Store, result: Result, path: Path, names: Sequence[str]) -> None:
    """Writes the image as one tar file, for `docker load` and readers of OCI archives; all or nothing."""
    if result.index is not None:
        raise UsageError(
            f"--output=archive:{path}: `docker load` accepts one platform, but {len(result.images)} are built",
            advice="use --output=oci:DIR, or build one --architecture at a time",
        )
    from airbyte_ci.images import archive

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with disk.replace_file(path) as file:
            archive.write(store, result.images[0], names, file)
    except OSError as error:
        raise StoreError(f"cannot write the image to {path}: {error.strerror}") from error


def _copy(store: Store, digest: Digest, target: Path) -> None:
    if target.exists():
        return
    import shutil

    with store.open(digest) as source, disk.replace_file(target) as file:
        shutil.copyfileobj(source, file, 1 << 20)
        source.read(1)  # The bytes are verified at their end.
