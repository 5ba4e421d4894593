"""Images as data: media types, descriptors, platforms, manifests, configurations (OCI image-spec 1.1).

Pulled documents keep their original bytes, because a digest covers bytes. New documents are canonical JSON.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal

from airbyte_ci.documents import load_json
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.records import dataclass

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"

# The content of `oci-layout` in an image layout (image-spec, image-layout.md#oci-layout-file).
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

# Annotations that name the image which another one is built on (image-spec, annotations.md).
Compression = Literal["gzip", "zstd"]
# A fixed time: the creation time is not a property of the content. jib made the same choice.
CREATED = "1970-01-01T00:00:01Z"
BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"

MANIFESTS = (MANIFEST, DOCKER_MANIFEST)
INDEXES = (INDEX, DOCKER_INDEX)

# Manifests are small; a registry that sends a larger one is broken or hostile (distribution-spec: 4 MiB).
MANIFEST_LIMIT = 4 << 20


def canonical_json(value: object) -> bytes:
    """Returns the only serialization of a value: sorted keys, no blanks, UTF-8, no final newline."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse_json_object(data: bytes, what: str) -> dict[str, Any]:
    """Parses a JSON object; raises ImageError that names `what` for anything else, however deep or broken."""
    try:
        value = load_json(data.decode())
        if b"\\u" in data:
            canonical_json(value)  # an escaped lone surrogate can be parsed but not serialized
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{what} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise ImageError(f"{what} is not a JSON object")
    return value


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """An operating system and architecture; `str()` returns `linux/amd64` or `linux/arm/v7`."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @classmethod
    def parse(cls, text: str) -> "Platform":
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise ImageError(f"{text!r} is not a platform", advice="write it as linux/amd64 or linux/arm64")
        return cls(*parts)

    def to_json(self) -> dict[str, str]:
        document = {"architecture": self.architecture, "os": self.os}
        return document | ({"variant": self.variant} if self.variant else {})

    def accepts(self, other: "Platform") -> bool:
        """Returns whether an image for `other` runs on this platform (arm64 is arm64/v8)."""
        same = (self.os, self.architecture) == (other.os, other.architecture)
        return same and (not self.variant or not other.variant or self.variant == other.variant)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob by media type, digest and size in bytes (descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform:
            document["platform"] = self.platform.to_json()
        return document

    @classmethod
    def from_json(cls, document: object, what: str) -> "Descriptor":
        """Parses a descriptor; raises ImageError that names `what`."""
        if not isinstance(document, dict):
            raise ImageError(f"{what} has a descriptor that is not an object")
        media_type, size = document.get("mediaType"), document.get("size")
        if not isinstance(media_type, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ImageError(f"{what} has a descriptor without a media type or a size")
        annotations = document.get("annotations") or {}
        if not isinstance(annotations, dict):
            raise ImageError(f"{what} has annotations that are not an object")
        return cls(
            media_type,
            Digest.parse(document.get("digest")),
            size=size,
            annotations={str(key): str(value) for key, value in annotations.items()},
            platform=_platform(document.get("platform")),
        )


def _platform(document: object) -> Platform | None:
    if not isinstance(document, dict):
        return None
    return Platform(*(str(document.get(key) or "") for key in ("os", "architecture", "variant")))


@dataclass(frozen=True, slots=True)
class Manifest:
    """One platform's image: its configuration and layers, oldest first; the digest covers `raw`."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.raw))

    @property
    def blobs(self) -> dict[Digest, Descriptor]:
        """Returns the configuration and the layers, each once."""
        return {item.digest: item for item in (self.config, *self.layers)}

    @classmethod
    def parse(cls, raw: bytes, what: str) -> "Manifest":
        document = parse_json_object(raw, what)
        media_type = document.get("mediaType") or MANIFEST
        layers = document.get("layers")
        if media_type not in MANIFESTS or not isinstance(layers, list):
            raise ImageError(f"{what} is not an image manifest (media type {media_type!r})")
        return cls(
            raw,
            media_type,
            config=Descriptor.from_json(document.get("config"), what),
            layers=tuple(Descriptor.from_json(layer, what) for layer in layers),
            annotations=_annotations(document),
        )

    @classmethod
    def make(cls, config: Descriptor, layers: tuple[Descriptor, ...], annotations: Mapping[str, str]) -> "Manifest":
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        if annotations:
            document["annotations"] = dict(annotations)
        return cls(canonical_json(document), MANIFEST, config=config, layers=layers, annotations=dict(annotations))


def _annotations(document: Mapping[str, Any]) -> dict[str, str]:
    annotations = document.get("annotations")
    if not isinstance(annotations, dict):
        return {}
    return {str(key): str(value) for key, value in annotations.items()}


@dataclass(frozen=True, slots=True)
class Index:
    """The images of several platforms under one digest."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.raw))

    @classmethod
    def parse(cls, raw: bytes, what: str) -> "Index":
        document = parse_json_object(raw, what)
        media_type = document.get("mediaType") or INDEX
        manifests = document.get("manifests")
        if media_type not in INDEXES or not isinstance(manifests, list):
            raise ImageError(f"{what} is not an image index (media type {media_type!r})")
        descriptors = tuple(Descriptor.from_json(item, what) for item in manifests)
        return cls(raw, media_type, descriptors, _annotations(document))

    @classmethod
    def make(cls, manifests: tuple[Descriptor, ...], annotations: Mapping[str, str]) -> "Index":
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [item.to_json() for item in manifests],
        }
        if annotations:
            document["annotations"] = dict(annotations)
        return cls(canonical_json(document), INDEX, manifests, dict(annotations))

    def select(self, platform: Platform, what: str) -> Descriptor:
        """Returns the platform's manifest; raises ImageError that lists the available platforms."""
        for item in self.manifests:
            if item.platform and platform.accepts(item.platform):
                return item
        known = sorted({str(item.platform) for item in self.manifests if item.platform})
        raise ImageError(f"{what} has no image for {platform} (it has: {', '.join(known) or 'none'})")


def parse_manifest(raw: bytes, what: str) -> Manifest | Index:
    """Parses a manifest or an index, by media type or shape (manifests of old tools have no media type)."""
    document = parse_json_object(raw, what)
    media_type = document.get("mediaType")
    if media_type in INDEXES or (media_type is None and "manifests" in document):
        return Index.parse(raw, what)
    return Manifest.parse(raw, what)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


# The types of the fields of a configuration's `config`, if they are present (config.md).
_EXECUTION: Mapping[str, Callable[[object], bool]] = {
    "Env": _is_list,
    "Entrypoint": _is_list,
    "Cmd": _is_list,
    "Labels": _is_table,
    "User": _is_text,
    "WorkingDir": _is_text,
}


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image's configuration (config.md): how to run the image, and the diffIDs of its layers."""

    raw: bytes
    document: Mapping[str, Any]

    @classmethod
    def parse(cls, raw: bytes, what: str) -> "ImageConfig":
        """Parses a configuration; raises ImageError if required fields have the wrong type."""
        document = parse_json_object(raw, what)
        rootfs = document.get("rootfs")
        if not isinstance(rootfs, dict) or not isinstance(rootfs.get("diff_ids"), list):
            raise ImageError(f"{what} names no layers (rootfs.diff_ids)")
        execution = document.get("config") or {}
        if not isinstance(execution, dict):
            raise ImageError(f"{what} has a config that is not an object")
        for key, fits in _EXECUTION.items():
            if (value := execution.get(key)) is not None and not fits(value):
                raise ImageError(f"{what} has a config whose {key} is malformed: {value!r:.80}")
        if not isinstance(document.get("history") or [], list):
            raise ImageError(f"{what} has a history that is not a list")
        return cls(raw, document)

    @classmethod
    def make(cls, document: Mapping[str, Any]) -> "ImageConfig":
        return cls(canonical_json(document), document)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(CONFIG, Digest.of(self.raw), len(self.raw))

    @property
    def diff_ids(self) -> tuple[Digest, ...]:
        return tuple(Digest.parse(item) for item in self.document["rootfs"]["diff_ids"])

    @property
    def platform(self) -> Platform:
        platform = _platform(self.document)
        assert platform is not None
        return platform

    @property
    def execution(self) -> dict[str, Any]:
        """Returns the `config` object: Env, Entrypoint, Cmd, User, WorkingDir, Labels."""
        return dict(self.document.get("config") or {})

    @property
    def environment(self) -> dict[str, str]:
        pairs = (str(item).partition("=") for item in self.execution.get("Env") or [])
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Image:
    """One platform's image: its manifest and configuration, both parsed and as bytes."""

    manifest: Manifest
    config: ImageConfig

    @property
    def digest(self) -> Digest:
        return self.manifest.digest

    @property
    def layers(self) -> tuple[tuple[Descriptor, Digest], ...]:
        """Returns each layer's descriptor with its diffID, oldest first."""
        diff_ids = self.config.diff_ids
        if len(diff_ids) != len(self.manifest.layers):
            raise ImageError(f"image {self.digest} has {len(self.manifest.layers)} layers but {len(diff_ids)} diffIDs")
        return tuple(zip(self.manifest.layers, diff_ids, strict=True))
