"""The lock of a released version: its declaration as it was, every external input, and what came of them.

A document beside the declaration, one part per platform, since each platform may be built on a machine of its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airbyte_ci.base_images import declare
from airbyte_ci.base_images.debian_inputs import DebianInputs
from airbyte_ci.base_images.declare import Declaration
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
    """A file of a package index: an input by name and hash."""

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
    """What a command gave; with a `network`, that is an input. No layer when it changed nothing.

    `packages` are the Debian packages that it added or changed, by name and version: what the layer stands for.
    """

    arguments: tuple[str, ...]
    layer: Layer | None
    network: bool = False
    packages: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = f" and {len(self.packages) - _SHOWN} more" if len(self.packages) > _SHOWN else ""
        packages = f" ({', '.join(self.packages[:_SHOWN])}{more})" if self.packages else ""
        return f"what {' '.join(self.arguments)[:60]!r} gave{packages}"

    def to_json(self) -> dict[str, Any]:
        layer = self.layer.to_json() if self.layer else None
        document = {"arguments": list(self.arguments), "layer": layer} | ({"network": True} if self.network else {})
        return document | ({"packages": list(self.packages)} if self.packages else {})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "LockedCommand":
        layer = Layer.from_json(document["layer"]) if document["layer"] else None
        packages = tuple(map(str, document.get("packages") or ()))
        return cls(tuple(document["arguments"]), layer, bool(document.get("network")), packages)


@dataclass(frozen=True, slots=True)
class PlatformLock:
    """One platform: the root (an image by digest, or Debian packages), wheels, commands, and the image they gave.

    `size` is that of the image's manifest in bytes; `checks` are those that were green.
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
            Digest.parse(document["manifest"]),
            int(document["size"]),
            Digest.parse(root["manifest"]),
            DebianInputs.from_json(root["debian"]) if root["debian"] else None,
            tuple(LockedWheel(**item) for item in document["wheels"]),
            tuple(map(LockedCommand.from_json, document["commands"])),
            str(document["python"]),
            tuple(document["checks"]),
        )


@dataclass(frozen=True, slots=True)
class VersionLock:
    """A version's declaration, flat, and its locked platforms."""

    declaration: Declaration
    platforms: Mapping[Platform, PlatformLock] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[Platform, ...]:
        """The declared platforms that no machine has locked yet."""
        return tuple(item for item in self.declaration.platforms if item not in self.platforms)

    @property
    def index(self) -> Index:
        """One index for all platforms: connectors pin it, so that one address serves each of them."""
        parts = sorted(self.platforms.items())
        descriptors = (Descriptor(MANIFEST, part.manifest, part.size, {}, platform) for platform, part in parts)
        return Index.make(tuple(descriptors), {})

    def with_platform(self, platform: Platform, part: PlatformLock) -> "VersionLock":
        return replace(self, platforms={**self.platforms, platform: part})

    def dump(self) -> str:
        """The document's text."""
        document = {
            "schema": SCHEMA,
            "declaration": plain(self.declaration.document),
            "platforms": {str(platform): self.platforms[platform].to_json() for platform in sorted(self.platforms)},
        }
        return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def plain(value: Any) -> Any:
    """The value as JSON can hold it: YAML has days, JSON has not."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def read(path: Path) -> VersionLock | None:
    """The lock in a file, None where there is none; raises ConfigurationError."""
    try:
        document = load_json(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"reading the lock {path}: {error}") from error
    try:
        if document["schema"] != SCHEMA:
            raise ConfigurationError(f"reading the lock {path}: its schema {document['schema']!r} is not known")
        platforms = {Platform.parse(key): PlatformLock.from_json(item) for key, item in document["platforms"].items()}
        return VersionLock(declare.from_document(document["declaration"], str(path)), platforms)
    except (LookupError, TypeError, ValueError, AttributeError, ImageError) as error:
        key = f": {error.args[0]!r} is missing" if isinstance(error, KeyError) else ""
        raise ConfigurationError(
            f"reading the lock {path}: it is damaged{key}", advice="restore it from git"
        ) from error
