"""The page of vulnerabilities: counts by severity and origin, and every finding with its fix."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from airbyte_ci.attest.sbom.bill import ORIGINS, ComponentOrigin
from airbyte_ci.attest.vulnerabilities.examine_images import ImageVulnerabilities
from airbyte_ci.attest.vulnerabilities.finding import SEVERITIES, VulnerabilityFinding
from airbyte_ci.reports.page import render
from airbyte_ci.reports.page.blocks import (
    Bar,
    Block,
    Column,
    DataRow,
    DataTable,
    Mark,
    Number,
    Page,
    Paragraph,
    Section,
    State,
    Tile,
)
from airbyte_ci.reports.vulnerabilities import TITLES

_STATES: Mapping[str, State] = {"critical": "failed", "high": "failed", "medium": "warning", "low": "info"}


def html(results: Mapping[str, ImageVulnerabilities]) -> str:
    """Returns the page of the results by image."""
    findings = [item for result in results.values() for item in result.findings]
    sections = [Section("Images", (_images(results),))]
    sections += [
        Section(TITLES[origin][:1].upper() + TITLES[origin][1:], (_table(origin, results),))
        for origin in ORIGINS
        if any(item.origin == origin for item in findings)
    ]
    notes = tuple(_notes(results))
    if notes:
        sections.append(Section("Not checked", notes))
    subtitle = next(iter(results)) if len(results) == 1 else f"{len(results)} images"
    return render.page(Page("Known vulnerabilities", subtitle, tuple(_tiles(findings)), tuple(sections)))


def _tiles(findings: Sequence[VulnerabilityFinding]) -> Iterator[Tile]:
    counts = Counter(item.severity for item in findings)
    if not findings:
        yield Tile("no known vulnerabilities", "0", "ok")
    for severity in SEVERITIES:
        if counts[severity]:
            yield Tile(severity, str(counts[severity]), _STATES.get(severity, "unverified"))
    if findings:
        yield Tile("fixable", str(sum(bool(item.fixed) for item in findings)))


def _images(results: Mapping[str, ImageVulnerabilities]) -> DataTable:
    shown = [origin for origin in ORIGINS if any(_of(result, origin) for result in results.values())]
    columns = (Column("Image"), Column("Findings", is_number=True), Column("By origin", series=tuple(shown), unit=""))
    rows = []
    for name, result in results.items():
        values = tuple(float(len(_of(result, origin))) for origin in shown)
        bar = Bar(values, str(len(result.findings))) if shown else "–"
        rows.append(DataRow((name, Number(len(result.findings), str(len(result.findings))), bar)))
    if not shown:
        return DataTable("Images", columns[:2], tuple(DataRow(row.cells[:2]) for row in rows))
    return DataTable("Images", columns, tuple(rows))


def _of(result: ImageVulnerabilities, origin: ComponentOrigin) -> list[VulnerabilityFinding]:
    return [item for item in result.findings if item.origin == origin]


def _table(origin: ComponentOrigin, results: Mapping[str, ImageVulnerabilities]) -> Block:
    columns = tuple(map(Column, ("Vulnerability", "Severity", "Package", "Version", "Fixed in", "Remedy", "Images")))
    images: dict[VulnerabilityFinding, list[str]] = {}
    for name, result in results.items():
        for item in _of(result, origin):
            images.setdefault(item, []).append(name)
    rows = tuple(
        DataRow(
            (
                item.name,
                Mark(_STATES.get(item.severity, "unverified"), item.severity),
                item.package,
                item.version,
                item.fixed or "–",
                item.remedy or "–",
                ", ".join(names),
            )
        )
        for item, names in sorted(images.items(), key=lambda entry: entry[0].order)
    )
    return DataTable(f"Vulnerabilities of the {TITLES[origin]}", columns, rows)


def _notes(results: Mapping[str, ImageVulnerabilities]) -> Iterator[Paragraph]:
    for name, result in results.items():
        for note in result.notes:
            yield Paragraph(f"{name}: {note}")
