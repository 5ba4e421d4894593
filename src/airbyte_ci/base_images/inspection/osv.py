"""Finds vulnerabilities of an inventory in a local database in the OSV format (ossf.github.io/osv-schema).

Accepts a zip or a folder of advisories, a JSON list, or JSON lines, and downloads nothing. Advisories are matched to
PyPI distributions by PEP 440, and to Debian packages by source package and Debian's version order. Packages that were
not checked are reported, because silence would look like safety.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from airbyte_ci.base_images.inspection import debian_version, osv_advisory
from airbyte_ci.base_images.inspection.contents import Contents
from airbyte_ci.documents import load_json
from airbyte_ci.errors import ConfigurationError

PYPI = "PyPI"
_ADVICE = "pass a zip or a folder of OSV advisories, a JSON list, or JSON lines"
_Parts = list[tuple[Mapping[str, Any], Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, order=True)
class Vulnerability:
    """A vulnerability of one installed package, by its best-known name; `fixed` is empty if no version fixes it."""

    package: str
    name: str
    version: str
    fixed: str
    severity: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The effect of a base image change on vulnerabilities; `unseen` names packages that were not checked, and why."""

    fixed: tuple[Vulnerability, ...]
    introduced: tuple[Vulnerability, ...]
    left: tuple[Vulnerability, ...]
    unseen: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"unseen": list(self.unseen)}
        return found | {
            name: [item.to_json() for item in getattr(self, name)] for name in ("fixed", "introduced", "left")
        }


def compare(database: Path, before: Contents, after: Contents) -> Comparison:
    """Compares two inventories. Raises ConfigurationError when the database cannot be read."""
    advisories = Advisories.read(database, (before, after))
    ours, theirs = (
        {(item.package, item.name): item for item in advisories.affecting(contents)} for contents in (before, after)
    )
    return Comparison(
        tuple(sorted(ours[key] for key in ours.keys() - theirs.keys())),
        tuple(sorted(theirs[key] for key in theirs.keys() - ours.keys())),
        tuple(sorted(theirs[key] for key in theirs.keys() & ours.keys())),
        tuple(dict.fromkeys(line for contents in (before, after) for line in advisories.unseen(contents))),
    )


@dataclass(frozen=True, slots=True)
class Advisories:
    """The advisories about the packages of interest: (ecosystem, package) → advisory and its affected part.

    `ecosystems` are all ecosystems in the database.
    """

    by_package: Mapping[tuple[str, str], _Parts]
    ecosystems: frozenset[str]

    @classmethod
    def read(cls, path: Path, inventories: Iterable[Contents]) -> "Advisories":
        wanted = {package for contents in inventories for package, _ in _packages(contents)}
        found: dict[tuple[str, str], _Parts] = {}
        ecosystems: set[str] = set()
        is_database = False
        for advisory in _advisories(path):
            if not osv_advisory.is_one(advisory):
                continue
            is_database = True
            for affected in advisory.get("affected") or []:
                key = _key(affected)
                ecosystems.add(key[0])
                if key in wanted and not advisory.get("withdrawn"):
                    found.setdefault(key, []).append((advisory, affected))
        if not is_database:
            raise ConfigurationError(
                f"cannot read the vulnerability database {path}: it contains no advisories", advice=_ADVICE
            )
        return cls(found, frozenset(ecosystems))

    def affecting(self, contents: Contents) -> Iterator[Vulnerability]:
        """Yields the vulnerabilities of an inventory's packages."""
        for (ecosystem, package), version in _packages(contents):
            order: osv_advisory.Order = Version if ecosystem == PYPI else debian_version.key
            by_name: dict[str, _Parts] = {}
            for advisory, affected in self.by_package.get((ecosystem, package), ()):
                for name in osv_advisory.names(advisory):
                    by_name.setdefault(name, []).append((advisory, affected))
            for name, parts in by_name.items():
                if (found := _together(package, name, version=version, parts=parts, order=order)) is not None:
                    yield found

    def unseen(self, contents: Contents) -> Iterator[str]:
        """Yields the parts of an inventory that the database does not cover."""
        system = contents.system.get("PRETTY_NAME") or contents.system.get("ID") or "an unknown system"
        if not contents.ecosystem:
            yield f"the packages of {system}: only packages of Debian and PyPI can be checked"
        elif contents.packages and contents.ecosystem not in self.ecosystems:
            number, ecosystem = len(contents.packages), contents.ecosystem
            yield f"{number} packages of {system}: the database has no advisory for {ecosystem}"
        if contents.distributions and PYPI not in self.ecosystems:
            yield f"{len(contents.distributions)} Python distributions: the database has no advisory for {PYPI}"


def _together(package: str, name: str, version: str, parts: _Parts, order: osv_advisory.Order) -> Vulnerability | None:
    """Combines all advisories about one vulnerability of a package; None if the package is not affected.

    Prefers advisories that name a fix: Debian's tracker and its announcements report the same vulnerability twice.
    """
    if any(osv_advisory.is_no_problem(affected) for _, affected in parts):
        return None
    verdicts = [osv_advisory.fixed_in(affected, version, order) for _, affected in parts]
    fixes = sorted((end for inside, end in verdicts if inside and end), key=order)
    is_fixed = any(end for inside, end in verdicts if not inside)
    if not any(inside for inside, _ in verdicts) or (is_fixed and not fixes):
        return None
    severity = next((said for part in parts if (said := osv_advisory.severity(*part))), "")
    return Vulnerability(package, name, version=version, fixed=next(iter(fixes), ""), severity=severity)


def _packages(contents: Contents) -> list[tuple[tuple[str, str], str]]:
    found = [((PYPI, str(canonicalize_name(name))), version) for name, version in contents.distributions]
    if contents.ecosystem:
        # Several packages are built from one source package, and advisories name the source package.
        sources = {(item.source, item.source_version) for item in contents.packages}
        found += [((contents.ecosystem, source), version) for source, version in sorted(sources)]
    return found


def _key(affected: Mapping[str, Any]) -> tuple[str, str]:
    package = affected.get("package") or {}
    ecosystem, name = str(package.get("ecosystem", "")), str(package.get("name", ""))
    return (PYPI, str(canonicalize_name(name))) if ecosystem == PYPI else (ecosystem, name)


def _advisories(path: Path) -> Iterator[Any]:
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                yield load_json(file.read_bytes())
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(".json"):
                        yield load_json(archive.read(name))
        else:
            yield from _of_text(path.read_text("utf-8"))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigurationError(
            f"cannot read the vulnerability database {path}: {error}",
            advice=_ADVICE,
        ) from error


def _of_text(text: str) -> Iterator[Any]:
    if text.lstrip().startswith("["):
        yield from load_json(text)
        return
    try:
        yield load_json(text)
    except ValueError:
        for line in text.split("\n"):
            if line.strip():
                yield load_json(line)
