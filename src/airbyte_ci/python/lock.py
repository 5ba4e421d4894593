"""Locks: what a lock file says should be installed, for one interpreter. No network, no disk beyond the texts.

Whatever the file's format, the result is the same: names, versions and the hashes of the files that are allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A wheel or an sdist by name and sha256 (hex)."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One distribution that must be installed: normalised name, version, allowed files."""

    name: str
    version: str
    files: tuple[LockedFile, ...]
    required_by: tuple[str, ...] = ()
    source: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock's selection for one interpreter, and the digest of what it was read from."""

    kind: str
    packages: tuple[LockedPackage, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "packages": [[package.name, package.version] for package in self.packages],
        }
