"""One version of a base image in the catalogue: its value, and its form in a file."""

import datetime
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import semver

from airbyte_ci.errors import ConfigurationError, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference, parse_pinned

_DAYS = ("released", "supported-until", "published")
_TEXTS = ("user", "changelog", "yanked", "replaced-by", "requires-platform")
_KEYS = frozenset((*_DAYS, *_TEXTS, "version", "address", "python", "verified", "platforms"))


@dataclass(frozen=True)
class BaseImageVersion:
    """One version of a base image. `python` is X.Y or X.Y.Z; `verified` is false for addresses merely sighted.

    `platforms` are each platform's manifest, `yanked` is why it was withdrawn (empty: it was not), `replaced_by` the
    version to move to, `requires_platform` the oldest platform version that runs connectors built on it.
    """

    repository: str
    version: str
    address: Reference
    python: str
    user: str = "root"
    changelog: str = ""
    verified: bool = True
    yanked: str = ""
    platforms: tuple[tuple[str, Digest], ...] = ()
    released: datetime.date | None = None
    supported_until: datetime.date | None = None
    published: datetime.date | None = None
    replaced_by: str = ""
    requires_platform: str = ""

    @functools.cached_property
    def semver(self) -> semver.Version:
        return semver.Version.parse(self.version)

    @property
    def is_prerelease(self) -> bool:
        return self.semver.prerelease is not None

    def is_expired(self, today: datetime.date) -> bool:
        """Whether its support has ended; its last day is still supported."""
        return self.supported_until is not None and self.supported_until < today

    def needs_later(self, platform: str) -> bool:
        """Whether connectors on it need a later platform than this; an empty one is not known, and no obstacle."""
        return bool(platform and self.requires_platform) and _numbers(self.requires_platform) > _numbers(platform)

    def address_for(self, platform: str) -> Reference | None:
        """One platform's own address, where it is known."""
        digest = dict(self.platforms).get(platform)
        return self.address.with_digest(digest) if digest else None

    def to_json(self) -> dict[str, Any]:
        """As in a file, without what is as by default."""
        document: dict[str, Any] = {"version": self.version, "address": str(self.address), "python": self.python}
        if self.user != "root":
            document["user"] = self.user
        if self.changelog:
            document["changelog"] = self.changelog
        if not self.verified:
            document["verified"] = False
        if self.platforms:
            document["platforms"] = {platform: str(digest) for platform, digest in self.platforms}
        for key in _DAYS:
            if day := getattr(self, key.replace("-", "_")):
                document[key] = day.isoformat()
        for key in ("requires-platform", "yanked", "replaced-by"):
            if text := getattr(self, key.replace("-", "_")):
                document[key] = text
        return document


def from_json(repository: str, item: Mapping[str, Any], what: str) -> BaseImageVersion:
    """The entry of a file; raises ConfigurationError naming `what` and the repository."""
    try:
        if unknown := sorted(map(str, item.keys() - _KEYS)):
            raise ValueError(f"unknown key {unknown[0]!r}")
        version = str(item["version"])
        semver.Version.parse(version)
        return BaseImageVersion(
            str(repository),
            version,
            parse_pinned(str(item["address"])),
            str(item["python"]),
            str(item.get("user", "root")),
            str(item.get("changelog", "")),
            bool(item.get("verified", True)),
            str(item.get("yanked", "")),
            tuple((str(name), Digest.parse(digest)) for name, digest in (item.get("platforms") or {}).items()),
            _day(item.get("released")),
            _day(item.get("supported-until")),
            _day(item.get("published")),
            str(item.get("replaced-by", "")),
            platform_version(item.get("requires-platform")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ImageError) as error:
        raise ConfigurationError(f"reading {what}: an entry of {repository} is not right: {error!r}") from error


def platform_version(value: object) -> str:
    """Numbers such as 0.63.0, or empty; raises ValueError. A YAML number is none: 0.60 would be 0.6."""
    if value is None:
        return ""
    if not isinstance(value, str) or not all(part.isdecimal() for part in value.split(".")):
        raise ValueError(f"requires-platform must be a text of numbers such as 0.63.0, not {value!r}")
    return value


def _day(value: object) -> datetime.date | None:
    if value is None or isinstance(value, datetime.date):
        return value
    return datetime.date.fromisoformat(str(value))


def _numbers(version: str) -> tuple[int, ...]:
    """0.63 and 0.63.0 are the same."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
