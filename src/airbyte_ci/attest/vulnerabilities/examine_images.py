"""Examines images for vulnerabilities: bills, a database or a report, newer base images, and the findings."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.attest.sbom.bill import BillOfMaterials
from airbyte_ci.attest.vulnerabilities import finding, match_advisories, remedies
from airbyte_ci.attest.vulnerabilities.audited import audit
from airbyte_ci.attest.vulnerabilities.finding import VulnerabilityFinding
from airbyte_ci.attest.vulnerabilities.match_report import match_report
from airbyte_ci.attest.vulnerabilities.newer_bases import NewerBases
from airbyte_ci.attest.vulnerabilities.remedies import NewerBase, Remedies
from airbyte_ci.attest.vulnerabilities.scanner_report import ScannerReport
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.python.environment.tools import Tools


@dataclass(frozen=True, slots=True)
class ExaminedImage:
    """An image to examine: its name for people, the connector's name if it is one of the repository, and its bill.

    `newer` are the newer versions of its base image, oldest first, and `known` the contents of those in the store.
    """

    name: str
    connector: str
    bill: BillOfMaterials
    newer: tuple[BaseImageVersion, ...] = ()
    known: tuple[NewerBase, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageVulnerabilities:
    """The findings about one image, and notes on what was not checked."""

    findings: tuple[VulnerabilityFinding, ...]
    notes: tuple[str, ...]


def prepare(tools: Tools, name: str, connector: str, bill: BillOfMaterials, bases: NewerBases) -> ExaminedImage:
    """Returns an image with the newer versions of its base image."""
    base = next((item for item in bill.components if item.kind == "container"), None)
    # An image without a base image may be one itself, known by its own digest or that of its index.
    addresses = [f"{base.name}@{base.version}"] if base else [f"{bill.root.name}@{bill.root.version}", name]
    newer = next((found for item in addresses if (found := bases.list_newer(item))), ())
    known = tuple(bases.examine(tools, newer, bill.platform))
    return ExaminedImage(name, connector, bill, newer, known)


def by_database(images: Sequence[ExaminedImage], database: Path) -> Iterator[ImageVulnerabilities]:
    """Yields the vulnerabilities of each image; raises ConfigurationError for an invalid database."""
    bills = [audit(image.bill) for image in images]
    packages = {package for bill in bills for package in bill.packages}
    packages |= {package for image in images for base in image.known for package in base.packages}
    advisories = match_advisories.read_database(database, packages)
    for image, bill in zip(images, bills, strict=True):
        found = match_advisories.match_advisories(bill, advisories)
        notes = match_advisories.uncovered(bill, advisories)
        yield _with_remedies(image, found, notes, remedies.by_advisories(advisories))


def by_report(image: ExaminedImage, report: ScannerReport) -> ImageVulnerabilities:
    """Returns the findings of a scanner about an image; raises ConfigurationError for a report about another one."""
    attributed = match_report(audit(image.bill), report, image.name)
    return _with_remedies(image, attributed.findings, attributed.unmatched, remedies.by_version)


def _with_remedies(
    image: ExaminedImage,
    found: Iterable[VulnerabilityFinding],
    notes: Sequence[str],
    is_fixed: remedies.IsFixed,
) -> ImageVulnerabilities:
    helper = Remedies(image.bill, image.connector, image.known, is_fixed)
    findings = finding.sort(helper.of(item) for item in found)
    missing = [item.version for item in image.newer if item.version not in {base.version for base in image.known}]
    more = [_absent(missing)] if missing and any(item.origin == "base" for item in findings) else []
    return ImageVulnerabilities(findings, (*notes, *more))


def _absent(versions: Sequence[str]) -> str:
    shown = ", ".join(versions[-3:])
    which = shown if len(versions) <= 3 else f"{len(versions)} newer ones, up to {versions[-1]}"
    return f"whether a newer base image fixes them: the store does not have {which}"
