"""Vulnerabilities: a database file in the OSV format (ossf.github.io/osv-schema) and an inventory → what affects it.

Takes a zip or a folder of advisories, a JSON list, or JSON lines; nothing is fetched. An advisory counts for a
distribution on PyPI by PEP 440, for a Debian package by its source package and Debian's order of versions.
"""

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airbyte_ci.base_images import debian_version
from airbyte_ci.base_images.contents import Contents
from airbyte_ci.errors import ConfigurationError

PYPI = "PyPI"
_Key = Callable[[str], Any]


@dataclass(frozen=True, slots=True, order=True)
class Vulnerability:
    """A vulnerability of one installed package, by its best known name; `fixed` is empty where nothing fixes it."""

    package: str
    name: str
    version: str
    fixed: str
    severity: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a change of base does about vulnerabilities."""

    fixed: tuple[Vulnerability, ...]
    introduced: tuple[Vulnerability, ...]
    left: tuple[Vulnerability, ...]

    def to_json(self) -> dict[str, Any]:
        return {name: [item.to_json() for item in getattr(self, name)] for name in ("fixed", "introduced", "left")}


def compare(database: Path, before: Contents, after: Contents) -> Comparison:
    """Raises ConfigurationError when the database cannot be read."""
    advisories = Advisories.read(database, (before, after))
    ours, theirs = (
        {(item.package, item.name): item for item in advisories.affecting(contents)} for contents in (before, after)
    )
    return Comparison(
        tuple(sorted(ours[key] for key in ours.keys() - theirs.keys())),
        tuple(sorted(theirs[key] for key in theirs.keys() - ours.keys())),
        tuple(sorted(theirs[key] for key in theirs.keys() & ours.keys())),
    )


@dataclass(frozen=True, slots=True)
class Advisories:
    """Those of a database that are about packages of interest: (ecosystem, package) → advisory and its part."""

    by_package: Mapping[tuple[str, str], list[tuple[Mapping[str, Any], Mapping[str, Any]]]]

    @classmethod
    def read(cls, path: Path, inventories: Iterable[Contents]) -> "Advisories":
        wanted = {package for contents in inventories for package, _ in _packages(contents)}
        found: dict[tuple[str, str], list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
        for advisory in _advisories(path):
            if not isinstance(advisory, dict) or advisory.get("withdrawn"):
                continue
            for affected in advisory.get("affected") or []:
                key = _key(affected)
                if key in wanted:
                    found.setdefault(key, []).append((advisory, affected))
        return cls(found)

    def affecting(self, contents: Contents) -> Iterator[Vulnerability]:
        """The vulnerabilities of an inventory's packages."""
        for (ecosystem, package), version in _packages(contents):
            order: _Key = Version if ecosystem == PYPI else debian_version.key
            for advisory, affected in self.by_package.get((ecosystem, package), ()):
                if (fixed := _fixed_in(affected, version, order)) is not None:
                    yield Vulnerability(package, _name(advisory), version, fixed, _severity(advisory))


def _packages(contents: Contents) -> list[tuple[tuple[str, str], str]]:
    found = [((PYPI, str(canonicalize_name(name))), version) for name, version in contents.distributions]
    if contents.ecosystem:
        # Several packages are built of one source, and advisories are about that.
        sources = {(item.source, item.source_version) for item in contents.packages}
        found += [((contents.ecosystem, source), version) for source, version in sorted(sources)]
    return found


def _key(affected: Mapping[str, Any]) -> tuple[str, str]:
    package = affected.get("package") or {}
    ecosystem, name = str(package.get("ecosystem", "")), str(package.get("name", ""))
    return (PYPI, str(canonicalize_name(name))) if ecosystem == PYPI else (ecosystem, name)


def _fixed_in(affected: Mapping[str, Any], version: str, order: _Key) -> str | None:
    """The version that fixes it (empty: none does), or None when this version is not affected."""
    try:
        mine = order(version)
    except (InvalidVersion, ValueError):
        return None
    for item in affected.get("ranges") or []:
        if item.get("type") in ("ECOSYSTEM", "SEMVER") and (end := _within(item, mine, order)) is not None:
            return end
    return "" if version in (affected.get("versions") or []) else None


def _within(item: Mapping[str, Any], mine: Any, order: _Key) -> str | None:
    """The events of a range in order: affected from `introduced` until before `fixed` or up to `last_affected`."""
    inside, end = False, ""
    events = [(kind, str(value)) for event in item.get("events") or [] for kind, value in event.items()]
    try:
        for kind, value in sorted(events, key=lambda event: _position(event, order)):
            if kind == "introduced" and (value == "0" or order(value) <= mine):
                inside, end = True, ""
            elif kind == "fixed" and inside:
                inside, end = order(value) > mine, value
            elif kind == "last_affected" and inside:
                inside = mine <= order(value)
            if inside and end:
                return end
    except (InvalidVersion, ValueError):
        return None
    return end if inside else None


def _position(event: tuple[str, str], order: _Key) -> tuple[bool, Any, bool]:
    kind, value = event
    return (False, order("0"), False) if value == "0" else (True, order(value), kind == "last_affected")


def _name(advisory: Mapping[str, Any]) -> str:
    """Its CVE where it has one: databases name the same thing differently."""
    names = [advisory.get("id", ""), *(advisory.get("aliases") or []), *(advisory.get("upstream") or [])]
    shortened = [str(name).removeprefix("DEBIAN-") for name in names]
    return next((name for name in shortened if name.startswith("CVE-")), shortened[0])


def _severity(advisory: Mapping[str, Any]) -> str:
    specific = advisory.get("database_specific") or {}
    return str(specific.get("severity") or "").lower() if isinstance(specific, dict) else ""


def _advisories(path: Path) -> Iterator[Any]:
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                yield json.loads(file.read_bytes())
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(".json"):
                        yield json.loads(archive.read(name))
        else:
            yield from _of_text(path.read_text("utf-8"))
    except (OSError, ValueError, zipfile.BadZipFile, RecursionError) as error:
        raise ConfigurationError(
            f"reading the vulnerability database {path}: {error}",
            advice="give a zip or a folder of OSV advisories, a JSON list, or JSON lines",
        ) from error


def _of_text(text: str) -> Iterator[Any]:
    if text.lstrip().startswith("["):
        yield from json.loads(text)
        return
    try:
        yield json.loads(text)
    except ValueError:
        for line in text.splitlines():
            if line.strip():
                yield json.loads(line)
