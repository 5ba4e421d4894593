"""Formats the vulnerabilities of an image as text, by who can fix them."""

from collections import Counter
from collections.abc import Sequence

from airbyte_ci.attest.sbom.bill import ORIGINS, ComponentOrigin
from airbyte_ci.attest.vulnerabilities.finding import SEVERITIES, VulnerabilityFinding
from airbyte_ci.reports import columns
from airbyte_ci.text import join_lines

TITLES: dict[ComponentOrigin, str] = {
    "base": "base image",
    "framework": "framework (airbyte-cdk and its requirements)",
    "connector": "connector",
    "customization": "build customization",
    "unknown": "unknown origin",
}


def text(subject: str, findings: Sequence[VulnerabilityFinding], notes: Sequence[str]) -> str:
    """Returns the findings of one image, the worst of each origin first, and what was not checked."""
    lines = [f"{subject}: {summary(findings)}"]
    for origin in ORIGINS:
        own = [item for item in findings if item.origin == origin]
        if own:
            lines.append(f"{TITLES[origin]} ({len(own)})")
            lines += [f"  {line}" for line in columns.lines([_row(item) for item in own]).splitlines()]
    lines += [f"! not checked: {note}" for note in notes]
    return join_lines(lines)


def summary(findings: Sequence[VulnerabilityFinding]) -> str:
    """Returns the counts by severity."""
    if not findings:
        return "no known vulnerabilities"
    counts = Counter(item.severity for item in findings)
    parts = ", ".join(f"{counts[name]} {name}" for name in SEVERITIES if counts[name])
    return f"{len(findings)} vulnerabilit{'y' if len(findings) == 1 else 'ies'} ({parts})"


def _row(item: VulnerabilityFinding) -> tuple[str, ...]:
    fixed = f"fixed in {item.fixed}" if item.fixed else "no fix known"
    return (item.severity, item.name, f"{item.package} {item.version}", fixed, item.remedy)
