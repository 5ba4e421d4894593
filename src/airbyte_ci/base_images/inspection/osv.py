"""Compares the vulnerabilities of two base images by a local database in the OSV format.

Packages that were not checked are reported, because silence would look like safety.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from airbyte_ci.base_images.inspection.contents import Contents
from airbyte_ci.base_images.inspection.osv_database import PYPI, Advisories, AuditedPackage, Vulnerability


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
    both = [_packages(contents) for contents in (before, after)]
    advisories = Advisories.read(database, {item.key for packages in both for item in packages})
    ours, theirs = (
        {(found.package, found.name): found for item in packages for found in advisories.affecting(item)}
        for packages in both
    )
    return Comparison(
        tuple(sorted(ours[key] for key in ours.keys() - theirs.keys())),
        tuple(sorted(theirs[key] for key in theirs.keys() - ours.keys())),
        tuple(sorted(theirs[key] for key in theirs.keys() & ours.keys())),
        tuple(dict.fromkeys(line for contents in (before, after) for line in _unseen(advisories, contents))),
    )


def _unseen(advisories: Advisories, contents: Contents) -> Iterator[str]:
    """Yields the parts of an inventory that the database does not cover."""
    system = contents.system.get("PRETTY_NAME") or contents.system.get("ID") or "an unknown system"
    if not contents.ecosystem:
        yield f"the packages of {system}: only packages of Debian and PyPI can be checked"
    elif contents.packages and contents.ecosystem not in advisories.ecosystems:
        number, ecosystem = len(contents.packages), contents.ecosystem
        yield f"{number} packages of {system}: the database has no advisory for {ecosystem}"
    if contents.distributions and PYPI not in advisories.ecosystems:
        yield f"{len(contents.distributions)} Python distributions: the database has no advisory for {PYPI}"


def _packages(contents: Contents) -> list[AuditedPackage]:
    found = [AuditedPackage(PYPI, str(canonicalize_name(name)), version) for name, version in contents.distributions]
    if contents.ecosystem:
        # Several packages are built from one source package, and advisories name the source package.
        sources = {(item.source, item.source_version) for item in contents.packages}
        found += [AuditedPackage(contents.ecosystem, source, version) for source, version in sorted(sources)]
    return found
