"""The catalog of base images: versions as data, found by address or by name.

The catalog of published versions ships with airbyte-ci. A repository's own file adds entries and overrides them.
"""

import datetime
import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from airbyte_ci.base_images.catalog import entry
from airbyte_ci.base_images.catalog.entry import BaseImageVersion
from airbyte_ci.documents import DocumentError, load_yaml
from airbyte_ci.errors import ConfigurationError, ImageError, UsageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.records import dataclass

__all__ = ["BaseImageVersion", "Catalog", "dump", "load", "parse", "read", "shipped"]

# A thousand versions of base images need half of this.
_SIZE_LIMIT = 4 << 20
_HEADER = "# Base images of this repository, kept by `airbyte-ci base-images`; newest first.\n"


@dataclass(frozen=True)
class Catalog:
    """All versions in the catalog, newest first within a repository."""

    versions: tuple[BaseImageVersion, ...]

    def of(self, repository: str) -> tuple[BaseImageVersion, ...]:
        """Returns the versions of one repository, newest first."""
        return tuple(item for item in self.versions if item.repository == repository)

    @functools.cached_property
    def _by_digest(self) -> dict[tuple[str, Digest], list[BaseImageVersion]]:
        found: dict[tuple[str, Digest], list[BaseImageVersion]] = {}
        for item in self.versions:
            digests = dict.fromkeys(
                digest for digest in (item.address.digest, *dict(item.platforms).values()) if digest
            )
            for digest in digests:
                found.setdefault((_repository(item.address), digest), []).append(item)
        return found

    def all_of(self, address: Reference) -> tuple[BaseImageVersion, ...]:
        """Returns every version with the address's digest, of an index or of one platform; newest first."""
        if address.digest is None:
            same = (item for item in self.versions if _repository(item.address) == _repository(address))
            return tuple(item for item in same if item.version == address.tag)
        return tuple(self._by_digest.get((_repository(address), address.digest), ()))

    def find(self, address: str) -> BaseImageVersion | None:
        """Returns the version with this address: by digest, else by tag within the repository."""
        try:
            reference = Reference.parse(address)
        except ImageError:
            return None
        found = self.all_of(reference)
        # Several versions may share a digest; the tag selects one of them.
        return next((item for item in found if item.version == reference.tag), next(iter(found), None))

    def behind(self, address: str, platform: str = "") -> int | None:
        """Returns the number of releases that are newer than this address; None when the address is unknown.

        With a `platform` version, ignores releases that need a later platform, because no connector can use them yet.
        """
        version = self.find(address)
        if version is None:
            return None
        newer = (item for item in self.of(version.repository) if item.semver > version.semver)
        good = (item for item in newer if not item.is_prerelease and not item.withdrawal and item.verified)
        return sum(1 for item in good if not item.needs_later(platform))

    def foundations(self, version: BaseImageVersion) -> tuple[BaseImageVersion, ...]:
        """Returns the chain of known base images that this version is built on, nearest first."""
        chain = [version]
        while (last := chain[-1]).built_on and (below := self.find(last.built_on)) and below not in chain:
            chain.append(below)
        return tuple(chain[1:])

    def series_of(self, repository: str) -> str:
        """Returns the series of a repository: as its versions say, else the repository's name."""
        known = self.of(repository)
        return known[0].series if known else repository.rpartition("/")[2]

    def named(self, text: str, preferred: Sequence[str] = ()) -> BaseImageVersion:
        """Returns the version for `1.2.0`, `python-connector-base:1.2.0`, an address or a digest.

        If several versions match, the first of the `preferred` repositories with a match wins. Raises UsageError when
        no version matches, or when several still match.
        """
        found = [item for item in self.versions if _means(text, item)]
        if len(found) > 1:
            for repository in preferred:
                if chosen := [item for item in found if item.repository == repository]:
                    found = chosen
                    break
        if len(found) == 1:
            return found[0]
        if not found:
            known = sorted({item.repository for item in self.versions})
            raise UsageError(
                f"the catalog has no base image {text!r}",
                advice=f"see `airbyte-ci base-images list` (versions: {', '.join(known) or 'none'})",
                error_id="base-image-unknown",
            )
        choices = " or ".join(f"{item.repository}:{item.version}" for item in found[:4])
        raise UsageError(f"{text!r} matches {len(found)} base images", advice=f"use {choices}")

    def merged(self, other: "Catalog") -> "Catalog":
        """Returns this catalog with the entries of `other`, which replace the same versions of a repository."""
        replaced = {(item.repository, item.version) for item in other.versions}
        kept = [item for item in self.versions if (item.repository, item.version) not in replaced]
        return _sorted([*other.versions, *kept])

    def replacing(self, *versions: BaseImageVersion) -> "Catalog":
        """Returns the catalog with these entries, which replace entries of the same versions."""
        return self.merged(Catalog(versions))


def _means(text: str, item: BaseImageVersion) -> bool:
    if text in (item.version, str(item.address.digest), str(item.address)):
        return True
    name, colon, version = text.partition("@")[0].rpartition(":")
    digest = text.partition("@")[2]
    if not colon or version != item.version or digest not in ("", str(item.address.digest)):
        return False
    return f"/{item.repository}".endswith(f"/{name}") or str(Reference.parse(item.repository)).endswith(f"/{name}")


def _repository(reference: Reference) -> str:
    return f"{reference.registry}/{reference.repository}"


def _sorted(versions: Iterable[BaseImageVersion]) -> Catalog:
    ordered = sorted(versions, key=lambda item: item.semver, reverse=True)
    return _with_withdrawals(Catalog(tuple(sorted(ordered, key=lambda item: item.repository))))


def _with_withdrawals(catalog: Catalog) -> Catalog:
    """Records in each version whether a base image that it is built on was withdrawn."""

    def reason(item: BaseImageVersion) -> str:
        below = next((base for base in catalog.foundations(item) if base.yanked), None)
        return f"built on {below.address.name} {below.version}, which was yanked: {below.yanked}" if below else ""

    if not any(item.withdrawal for item in catalog.versions):
        return catalog
    return Catalog(tuple(replace(item, withdrawn_below=reason(item)) for item in catalog.versions))


def shipped() -> Catalog:
    """Returns the catalog that ships with this release of airbyte-ci."""
    text = Path(__file__).with_name("catalog.yaml").read_text("utf-8")
    return parse(text, "the shipped catalog")


def load(path: Path) -> Catalog:
    """Returns the shipped catalog, extended by the repository's file if there is one."""
    return shipped().merged(read(path))


def read(path: Path) -> Catalog:
    """Returns the catalog of a repository's own file; empty without a file. Raises ConfigurationError."""
    try:
        return parse(path.read_text("utf-8"), str(path))
    except FileNotFoundError:
        return Catalog(())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the catalog of base images {path}: {error}") from error


def parse(text: str, what: str) -> Catalog:
    """Parses a catalog. Raises ConfigurationError that names `what` and the invalid entry."""
    try:
        document = load_yaml(text, _SIZE_LIMIT) or {}
    except DocumentError as error:
        raise ConfigurationError(f"{what} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{what} is not a mapping of repositories to versions")
    for repository, items in document.items():
        if not isinstance(items, list | None):
            raise ConfigurationError(f"{what} is invalid: the versions of {repository} are not a list")
    return _sorted(
        entry.from_json(repository, item, what) for repository, items in document.items() for item in items or []
    )


def dump(catalog: Catalog) -> str:
    """Returns the catalog as the text of a file."""
    repositories: dict[str, list[dict[str, Any]]] = {}
    for item in catalog.versions:
        repositories.setdefault(item.repository, []).append(item.to_json())
    return _HEADER + yaml.safe_dump(repositories, sort_keys=False, allow_unicode=True, width=200)


def pasted(versions: Sequence[BaseImageVersion], today: datetime.date) -> str:
    """Returns the lines that metadata.yaml needs for each version, and the reasons against using it as comments."""
    return "".join(
        f"# {item.repository} {item.version}{f', Python {item.python}' if item.python else ''}\n"
        f"{''.join(f'# {line}{chr(10)}' for line in objections(item, today))}"
        f"connectorBuildOptions:\n  baseImage: {item.address}\n"
        for item in versions
    )


def objections(item: BaseImageVersion, today: datetime.date) -> list[str]:
    """Returns short reasons against moving to this version; empty when there are none."""
    instead = f" → use {item.replaced_by}" if item.replaced_by else ""
    return [
        *([f"yanked: {item.withdrawal}{instead}"] if item.withdrawal else []),
        *(f"caution{f' with {one.when}.py' if one.when else ''}: {one.text}" for one in item.cautions),
        *(["pre-release"] if item.is_prerelease else []),
        *([f"support ended {item.supported_until}"] if item.is_expired(today) else []),
        *([] if item.verified else ["unverified: the digest was reported but not verified"]),
    ]
