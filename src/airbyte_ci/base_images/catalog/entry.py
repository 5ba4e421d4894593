"""One version of a base image in the catalog: its value, and its form in a file."""

import datetime
import functools
from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Any

import semver

from airbyte_ci.errors import ConfigurationError, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference, parse_pinned
from airbyte_ci.records import dataclass

_DAYS = ("released", "supported-until", "published")
_TEXTS = ("user", "changelog", "yanked", "replaced-by", "requires-platform", "series", "built-on")
_KEYS = frozenset((*_DAYS, *_TEXTS, "version", "address", "python", "verified", "platforms", "cautions"))

PYTHON_SERIES = "python-connector-base"
MANIFEST_SERIES = "source-declarative-manifest"
JAVA_SERIES = "java-connector-base"
SERIES = (PYTHON_SERIES, MANIFEST_SERIES, JAVA_SERIES)

# What a caution can depend on; an empty condition applies to every connector.
CONDITIONS = ("", "components")


@dataclass(frozen=True, slots=True)
class Caution:
    """Why some connectors should not use a version: those with a `components.py`, or all where `when` is empty."""

    text: str
    when: str = ""


@dataclass(frozen=True, kw_only=True)
class BaseImageVersion:
    """One version of a base image. `python` is X.Y or X.Y.Z, and empty for an image without Python.

    `verified` is false for a digest that only a single source names. `platforms` holds each platform's manifest.
    `yanked` is the reason for a withdrawal (empty: not withdrawn) and `replaced_by` the version to move to.
    `requires_platform` is the oldest platform version that runs connectors built on this version. `named_series` is
    the series where the repository's name does not give it. `built_on` is the base image below this one, as
    `name:version`. The catalog derives `withdrawn_below` from it: the reason why that base image was withdrawn.
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
    named_series: str = ""
    built_on: str = ""
    cautions: tuple[Caution, ...] = ()
    withdrawn_below: str = field(default="", compare=False)

    @property
    def series(self) -> str:
        """Returns the family of interchangeable base images that this version belongs to."""
        name = _name(self.repository)
        return self.named_series or (name if name in SERIES or not self.python else PYTHON_SERIES)

    @property
    def withdrawal(self) -> str:
        """Returns why the version must not be used: its own withdrawal, or that of an image that it is built on."""
        return self.yanked or self.withdrawn_below

    def warnings(self, traits: Collection[str]) -> tuple[str, ...]:
        """Returns the cautions that apply to a connector with these traits (see `CONDITIONS`)."""
        return tuple(item.text for item in self.cautions if not item.when or item.when in traits)

    @functools.cached_property
    def semver(self) -> semver.Version:
        return semver.Version.parse(self.version)

    @property
    def is_prerelease(self) -> bool:
        return self.semver.prerelease is not None

    def is_expired(self, today: datetime.date) -> bool:
        """Returns whether support has ended; the last day is still supported."""
        return self.supported_until is not None and self.supported_until < today

    def needs_later(self, platform: str) -> bool:
        """Returns whether connectors on it need a later platform than `platform`; an empty one is unknown."""
        return bool(platform and self.requires_platform) and _numbers(self.requires_platform) > _numbers(platform)

    def to_json(self) -> dict[str, Any]:
        """Returns the entry's form in a file, without default values."""
        document: dict[str, Any] = {"version": self.version, "address": str(self.address)}
        if self.python:
            document["python"] = self.python
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
        for key in ("requires-platform", "built-on", "yanked", "replaced-by"):
            if text := getattr(self, key.replace("-", "_")):
                document[key] = text
        if self.named_series:
            document["series"] = self.named_series
        if self.cautions:
            document["cautions"] = [
                {**({"when": one.when} if one.when else {}), "text": one.text} for one in self.cautions
            ]
        return document


def from_json(repository: str, item: Mapping[str, Any], what: str) -> BaseImageVersion:
    """Parses an entry of a file; raises ConfigurationError that names `what` and the repository."""
    try:
        if unknown := sorted(map(str, item.keys() - _KEYS)):
            raise ValueError(f"unknown key {unknown[0]!r}")
        version = str(item["version"])
        semver.Version.parse(version)
        if "python" not in item and "series" not in item and _name(str(repository)) != JAVA_SERIES:
            raise KeyError("python")
        return BaseImageVersion(
            repository=str(repository),
            version=version,
            address=parse_pinned(str(item["address"])),
            python=str(item.get("python", "")),
            user=str(item.get("user", "root")),
            changelog=str(item.get("changelog", "")),
            verified=bool(item.get("verified", True)),
            yanked=str(item.get("yanked", "")),
            platforms=tuple(
                (str(name), Digest.parse(digest)) for name, digest in (item.get("platforms") or {}).items()
            ),
            released=_day(item.get("released")),
            supported_until=_day(item.get("supported-until")),
            published=_day(item.get("published")),
            replaced_by=str(item.get("replaced-by", "")),
            requires_platform=platform_version(item.get("requires-platform")),
            named_series=str(item.get("series", "")),
            built_on=str(item.get("built-on", "")),
            cautions=tuple(map(_caution, item.get("cautions") or ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ImageError) as error:
        raise ConfigurationError(f"{what} is invalid: an entry of {repository}: {error!r}") from error


def _name(repository: str) -> str:
    return repository.rpartition("/")[2]


def _caution(item: Mapping[str, Any]) -> Caution:
    when = str(item.get("when", ""))
    if when not in CONDITIONS:
        raise ValueError(f"unknown condition {when!r} (known: {', '.join(filter(None, CONDITIONS))})")
    return Caution(str(item["text"]), when)


def platform_version(value: object) -> str:
    """Returns a version such as 0.63.0, or empty; raises ValueError, also for a YAML number: 0.60 would become 0.6."""
    if value is None:
        return ""
    if not isinstance(value, str) or not all(part.isdecimal() for part in value.split(".")):
        raise ValueError(f"requires-platform must be a version in quotes such as 0.63.0, not {value!r}")
    return value


def _day(value: object) -> datetime.date | None:
    if value is None or isinstance(value, datetime.date):
        return value
    return datetime.date.fromisoformat(str(value))


def _numbers(version: str) -> tuple[int, ...]:
    """Returns a key for comparisons, in which 0.63 and 0.63.0 are equal."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
