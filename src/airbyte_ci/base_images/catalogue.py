"""The catalogue of base images: versions as data, and which of them is the latest for a connector.

It ships with the published versions; a repository's own file comes on top and its entries count first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import semver
import yaml

from airbyte_ci.errors import ConfigurationError, ImageError
from airbyte_ci.oci.reference import Reference, parse_pinned

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HEADER = "# Base images of this repository, kept by `airbyte-ci base-images`; newest first.\n"


@dataclass(frozen=True, slots=True)
class BaseImageVersion:
    """One version of a base image. `python` is X.Y or X.Y.Z; `verified` is false for addresses merely sighted."""

    repository: str
    version: str
    address: Reference
    python: str
    user: str = "root"
    changelog: str = ""
    verified: bool = True
    yanked: str = ""

    @property
    def semver(self) -> semver.Version:
        return semver.Version.parse(self.version)

    @property
    def is_prerelease(self) -> bool:
        return self.semver.prerelease is not None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "version": self.version,
            "address": str(self.address),
            "python": self.python,
        }
        if self.user != "root":
            document["user"] = self.user
        if self.changelog:
            document["changelog"] = self.changelog
        if not self.verified:
            document["verified"] = False
        if self.yanked:
            document["yanked"] = self.yanked
        return document


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All known versions, newest first within a repository."""

    versions: tuple[BaseImageVersion, ...]

    def of(self, repository: str) -> tuple[BaseImageVersion, ...]:
        """The versions of one repository, newest first."""
        return tuple(item for item in self.versions if item.repository == repository)

    def find(self, address: str) -> BaseImageVersion | None:
        """The version with this address: by digest, else by tag within the repository."""
        try:
            reference = Reference.parse(address)
        except ImageError:
            return None
        same = [item for item in self.versions if _repository(item.address) == _repository(reference)]
        if reference.digest:
            # Several versions may share a digest; the tag tells which one is meant.
            by_digest = [item for item in same if item.address.digest == reference.digest]
            tagged = [item for item in by_digest if item.version == reference.tag]
            return next(iter(tagged or by_digest), None)
        return next((item for item in same if item.version == reference.tag), None)

    def behind(self, address: str) -> int | None:
        """How many releases are newer than this address; None when the address is not known."""
        version = self.find(address)
        if version is None:
            return None
        newer = (item for item in self.of(version.repository) if item.semver > version.semver)
        return sum(1 for item in newer if not item.is_prerelease and not item.yanked and item.verified)

    def merged(self, other: "Catalogue") -> "Catalogue":
        """This catalogue with another's entries in front of it; the same version of a repository is replaced."""
        replaced = {(item.repository, item.version) for item in other.versions}
        kept = [item for item in self.versions if (item.repository, item.version) not in replaced]
        return _sorted([*other.versions, *kept])


def _repository(reference: Reference) -> str:
    return f"{reference.registry}/{reference.repository}"


def _sorted(versions: Iterable[BaseImageVersion]) -> Catalogue:
    ordered = sorted(versions, key=lambda item: item.semver, reverse=True)
    return Catalogue(tuple(sorted(ordered, key=lambda item: item.repository)))


def shipped() -> Catalogue:
    """The versions that were known when this tool was released."""
    text = resources.files("airbyte_ci.base_images").joinpath("catalogue.yaml").read_text("utf-8")
    return parse(text, "the shipped catalogue")


def load(path: Path) -> Catalogue:
    """The shipped catalogue with a repository's file, where it has one, on top."""
    return shipped().merged(read(path))


def read(path: Path) -> Catalogue:
    """A repository's own file; empty where there is none. Raises ConfigurationError."""
    try:
        return parse(path.read_text("utf-8"), str(path))
    except FileNotFoundError:
        return Catalogue(())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"reading the catalogue of base images {path}: {error}") from error


def parse(text: str, what: str) -> Catalogue:
    """Raises ConfigurationError naming `what` and the entry that is wrong."""
    try:
        document = yaml.load(text, _Loader) or {}
    except yaml.YAMLError as error:
        raise ConfigurationError(f"reading {what}: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"reading {what}: it is not a mapping of repositories to versions")
    for repository, items in document.items():
        if not isinstance(items, list | None):
            raise ConfigurationError(f"reading {what}: the versions of {repository} are not a list")
    return _sorted(_entry(repository, item, what) for repository, items in document.items() for item in items or [])


def _entry(repository: str, item: Mapping[str, Any], what: str) -> BaseImageVersion:
    try:
        version = str(item["version"])
        semver.Version.parse(version)
        address = parse_pinned(str(item["address"]))
        return BaseImageVersion(
            str(repository),
            version,
            address,
            str(item["python"]),
            str(item.get("user", "root")),
            str(item.get("changelog", "")),
            bool(item.get("verified", True)),
            str(item.get("yanked", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ImageError) as error:
        raise ConfigurationError(f"reading {what}: an entry of {repository} is not right: {error!r}") from error


def dump(catalogue: Catalogue) -> str:
    """The catalogue as a file's text."""
    repositories: dict[str, list[dict[str, Any]]] = {}
    for item in catalogue.versions:
        repositories.setdefault(item.repository, []).append(item.to_json())
    return _HEADER + yaml.safe_dump(repositories, sort_keys=False, allow_unicode=True, width=200)
