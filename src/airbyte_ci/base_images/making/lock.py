"""The lock of a released version: its declaration, every external input, and the resulting images.

The lock is a file next to the declaration, with one part per platform, because machines build platforms separately.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airbyte_ci.base_images.declaration import declare
from airbyte_ci.base_images.declaration.declare import Declaration
from airbyte_ci.base_images.making.debian_inputs import DebianInputs
from airbyte_ci.documents import load_json
from airbyte_ci.errors import ConfigurationError, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import MANIFEST, Descriptor, Index, Platform
from airbyte_ci.oci.layer import Layer

SCHEMA = 1
SUFFIX = ".lock.json"
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """A file from a package index: an input with name and hash."""

    name: str
    version: str
    file: str
    sha256: str

    def __str__(self) -> str:
        return self.file

    @property
    def digest(self) -> Digest:
        return Digest(self.sha256)


@dataclass(frozen=True, slots=True)
class LockedCommand:
    """The layer that a command made, an input if the command had a network. No layer if it changed nothing.

    `packages` are the Debian packages that the command added or changed, by name and version.
    """

    arguments: tuple[str, ...]
    layer: Layer | None
    network: bool = False
    packages: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = f" and {len(self.packages) - _SHOWN} more" if len(self.packages) > _SHOWN else ""
        packages = f" ({', '.join(self.packages[:_SHOWN])}{more})" if self.packages else ""
        return f"the layer of {' '.join(self.arguments)[:60]!r}{packages}"

    def to_json(self) -> dict[str, Any]:
        layer = self.layer.to_json() if self.layer else None
        document = {"arguments": list(self.arguments), "layer": layer} | ({"network": True} if self.network else {})
        return document | ({"packages": list(self.packages)} if self.packages else {})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "LockedCommand":
        layer = Layer.from_json(document["layer"]) if document["layer"] else None
        packages = tuple(map(str, document.get("packages") or ()))
        return cls(tuple(document["arguments"]), layer, bool(document.get("network")), packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformLock:
    """One platform: the root (an image by digest, or Debian packages), wheels, commands, and the resulting image.

    `size` is the size of the image's manifest in bytes; `checks` are the names of the passed checks.
    """

    manifest: Digest
    size: int
    root: Digest
    debian: DebianInputs | None
    wheels: tuple[LockedWheel, ...]
    commands: tuple[LockedCommand, ...]
    python: str
    checks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "manifest": str(self.manifest),
            "size": self.size,
            "python": self.python,
            "root": {"manifest": str(self.root), "debian": self.debian.to_json() if self.debian else None},
            "wheels": [
                {"name": item.name, "version": item.version, "file": item.file, "sha256": item.sha256}
                for item in self.wheels
            ],
            "commands": [item.to_json() for item in self.commands],
            "checks": list(self.checks),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "PlatformLock":
        root = document["root"]
        return cls(
            manifest=Digest.parse(document["manifest"]),
            size=int(document["size"]),
            root=Digest.parse(root["manifest"]),
            debian=DebianInputs.from_json(root["debian"]) if root["debian"] else None,
            wheels=tuple(LockedWheel(**item) for item in document["wheels"]),
            commands=tuple(map(LockedCommand.from_json, document["commands"])),
            python=str(document["python"]),
            checks=tuple(document["checks"]),
        )


@dataclass(frozen=True, slots=True)
class VersionLock:
    """The flat declaration of a version and its locked platforms."""

    declaration: Declaration
    platforms: Mapping[Platform, PlatformLock] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[Platform, ...]:
        """Returns the declared platforms that are not locked yet."""
        return tuple(item for item in self.declaration.platforms if item not in self.platforms)

    @property
    def index(self) -> Index:
        """Returns one index for all platforms, which connectors pin by a single address."""
        parts = sorted(self.platforms.items())
        descriptors = (
            Descriptor(MANIFEST, part.manifest, size=part.size, annotations={}, platform=platform)
            for platform, part in parts
        )
        return Index.make(tuple(descriptors), {})

    def with_platform(self, platform: Platform, part: PlatformLock) -> "VersionLock":
        return replace(self, platforms={**self.platforms, platform: part})

    def dump(self) -> str:
        """Returns the lock as text."""
        document = {
            "schema": SCHEMA,
            "declaration": plain(self.declaration.document),
            "platforms": {str(platform): self.platforms[platform].to_json() for platform in sorted(self.platforms)},
        }
        return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def plain(value: object) -> Any:  # noqa: ANN401  # parsed data
    """Converts dates, which JSON lacks, to text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def read(path: Path) -> VersionLock | None:
    """Returns the lock in a file, None if the file does not exist; raises ConfigurationError."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read the lock {path}: {error}") from error
    return parse(text, str(path))


def parse(text: str | bytes, what: str) -> VersionLock:
    """Parses the text of a lock; raises ConfigurationError that names `what`."""
    try:
        document = load_json(text)
    except ValueError as error:
        raise ConfigurationError(f"cannot read the lock {what}: {error}") from error
    try:
        if document["schema"] != SCHEMA:
            raise ConfigurationError(f"cannot read the lock {what}: unknown schema {document['schema']!r}")
        platforms = {Platform.parse(key): PlatformLock.from_json(item) for key, item in document["platforms"].items()}
        return VersionLock(declare.from_document(document["declaration"], what), platforms)
    except (LookupError, TypeError, ValueError, AttributeError, ImageError) as error:
        key = f": {error.args[0]!r} is missing" if isinstance(error, KeyError) else ""
        raise ConfigurationError(f"the lock {what} is damaged{key}", advice="restore it from git") from error
