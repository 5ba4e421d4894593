"""Finds the vulnerabilities of an image's packages in a local database of advisories (OSV)."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from airbyte_ci.attest.sbom.bill import Component
from airbyte_ci.attest.vulnerabilities.audited import AuditedBill
from airbyte_ci.attest.vulnerabilities.finding import VulnerabilityFinding, rate
from airbyte_ci.base_images.inspection.osv_database import Advisories, AuditedPackage


def read_database(path: Path, packages: Iterable[AuditedPackage]) -> Advisories:
    """Reads the advisories about these packages; raises ConfigurationError."""
    return Advisories.read(path, {package.key for package in packages})


def match_advisories(bill: AuditedBill, advisories: Advisories) -> Iterator[VulnerabilityFinding]:
    """Yields the findings about an image's packages."""
    for (package, origin), components in bill.groups.items():
        for found in advisories.affecting(package):
            yield VulnerabilityFinding(
                name=found.name,
                aliases=found.aliases,
                severity=rate(found.severity),
                ecosystem=package.ecosystem,
                package=package.name,
                version=package.version,
                fixed=found.fixed,
                origin=origin,
                components=purls(components),
            )


def uncovered(bill: AuditedBill, advisories: Advisories) -> tuple[str, ...]:
    """Returns the parts of an image that the database does not cover."""
    counts: dict[str, int] = {}
    for package in bill.packages:
        if package.ecosystem not in advisories.ecosystems:
            counts[package.ecosystem] = counts.get(package.ecosystem, 0) + 1
    lines = (
        f"{count} packages of {name}: the database has no advisory for it" for name, count in sorted(counts.items())
    )
    return (*bill.unchecked, *lines)


def purls(components: Iterable[Component]) -> tuple[str, ...]:
    """Returns the purls of components, each once."""
    return tuple(sorted({item.purl for item in components}))
