"""Findings: a vulnerability of a package in an image, and the part of the image that has to change. Data only."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airbyte_ci.attest.sbom.bill import ORIGINS, ComponentOrigin

# By the words of advisories and scanners; others are unrated.
_SEVERITIES = {
    **dict.fromkeys(("critical",), "critical"),
    **dict.fromkeys(("high", "important"), "high"),
    **dict.fromkeys(("medium", "moderate"), "medium"),
    **dict.fromkeys(("low", "negligible", "minor", "unimportant"), "low"),
}
SEVERITIES = ("critical", "high", "medium", "low", "unrated")


@dataclass(frozen=True, slots=True, kw_only=True)
class VulnerabilityFinding:
    """One vulnerability of one package, which may be installed as several binary packages.

    `package` is the name that advisories of its `ecosystem` use, and `components` are the purls in the image. `fixed`
    is the version that fixes it, empty if none is known. `remedy` is what to do, and `fixed_by` the version of the base
    image that fixes it.
    """

    name: str
    aliases: tuple[str, ...]
    severity: str
    ecosystem: str
    package: str
    version: str
    fixed: str
    origin: ComponentOrigin
    components: tuple[str, ...]
    remedy: str = ""
    fixed_by: str = ""

    @property
    def order(self) -> tuple[int, int, str, str]:
        """Returns a key that sorts by origin, then the worst first."""
        return ORIGINS.index(self.origin), SEVERITIES.index(self.severity), self.package, self.name

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.name,
            "aliases": list(self.aliases),
            "severity": self.severity,
            "ecosystem": self.ecosystem,
            "package": self.package,
            "version": self.version,
            "fixedIn": self.fixed or None,
            "origin": self.origin,
            "components": list(self.components),
            "remedy": self.remedy or None,
            "fixedByBase": self.fixed_by or None,
        }


def rate(word: str) -> str:
    """Returns the severity that a word of an advisory or a scanner means."""
    return _SEVERITIES.get(word.strip().strip("*").lower(), "unrated")


def is_at_least(severity: str, least: str) -> bool:
    """Whether a severity is that bad; unrated ones are as bad as the lowest."""
    bounded = "low" if severity == "unrated" else severity
    return SEVERITIES.index(bounded) <= SEVERITIES.index(least)


def sort(findings: Iterable[VulnerabilityFinding]) -> tuple[VulnerabilityFinding, ...]:
    return tuple(sorted(findings, key=lambda item: item.order))
