"""A local database of advisories in the OSV format (ossf.github.io/osv-schema), and the vulnerabilities of packages.

Accepts a zip or a folder of advisories, a JSON list, or JSON lines, and downloads nothing. Versions are compared in the
order of their ecosystem: PEP 440, Debian's, Alpine's or Maven's. System packages are matched by their source package.
"""

import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from airbyte_ci.base_images.inspection import alpine_version, debian_version, maven_version, osv_advisory
from airbyte_ci.documents import load_json
from airbyte_ci.errors import ConfigurationError

PYPI, DEBIAN, ALPINE, MAVEN = "PyPI", "Debian", "Alpine", "Maven"
_ORDERS: Mapping[str, osv_advisory.Order] = {
    PYPI: Version,
    DEBIAN: debian_version.key,
    ALPINE: alpine_version.key,
    MAVEN: maven_version.key,
}
_ADVICE = "pass a zip or a folder of OSV advisories, a JSON list, or JSON lines"
_Part = tuple[Mapping[str, Any], Mapping[str, Any]]
_Parts = Sequence[_Part]


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Vulnerability:
    """A vulnerability of one installed package, by its best-known name; `fixed` is empty if no version fixes it."""

    package: str
    name: str
    version: str
    fixed: str
    severity: str
    aliases: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        return {**document, "aliases": list(self.aliases)}


@dataclass(frozen=True, slots=True, order=True)
class AuditedPackage:
    """A package as advisories name it: `PyPI`, `Debian:12`, `Alpine:v3.20` or `Maven`, the name there, the version."""

    ecosystem: str
    name: str
    version: str

    @property
    def key(self) -> tuple[str, str]:
        return self.ecosystem, self.name


def order_of(ecosystem: str) -> Callable[[str], Any]:
    """Returns the order of an ecosystem's versions; raises KeyError for an unknown one."""
    return _ORDERS[ecosystem.partition(":")[0]]


@dataclass(frozen=True, slots=True)
class Advisories:
    """The advisories about the packages of interest: (ecosystem, package) → advisory and its affected part.

    `ecosystems` are all ecosystems in the database.
    """

    by_package: Mapping[tuple[str, str], _Parts]
    ecosystems: frozenset[str]

    @classmethod
    def read(cls, path: Path, wanted: Collection[tuple[str, str]]) -> "Advisories":
        """Reads the advisories about packages by their keys; raises ConfigurationError for another kind of file."""
        found: dict[tuple[str, str], list[_Part]] = {}
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

    def affecting(self, package: AuditedPackage) -> Iterator[Vulnerability]:
        """Yields the vulnerabilities of a package, each once: databases have several advisories about some."""
        order = order_of(package.ecosystem)
        for name, parts in _by_name(self.by_package.get(package.key, ())).items():
            if (found := _together(package.name, name, version=package.version, parts=parts, order=order)) is not None:
                yield found


def _by_name(parts: _Parts) -> dict[str, list[_Part]]:
    """Returns the advisories of each vulnerability, by its CVE, else by the first name of those that are aliases."""
    found: dict[str, list[_Part]] = {}
    for part in parts:
        for name in osv_advisory.names(part[0]):
            found.setdefault(name, []).append(part)
    joined: dict[str, list[_Part]] = {}
    for name, own in sorted(found.items(), key=lambda item: (not item[0].startswith("CVE-"), item[0])):
        names = {alias for advisory, _ in own for alias in osv_advisory.aliases(advisory)}
        same = next((other for other in joined if not other.startswith("CVE-") and other in names), name)
        joined.setdefault(same, []).extend(own)
    return joined


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
    others = {alias for advisory, _ in parts for alias in osv_advisory.aliases(advisory)} - {name}
    return Vulnerability(
        package=package,
        name=name,
        version=version,
        fixed=next(iter(fixes), ""),
        severity=severity,
        aliases=tuple(sorted(others)),
    )


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
