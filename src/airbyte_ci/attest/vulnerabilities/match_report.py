"""Attributes the findings of a scanner to the components of an image's bill of materials."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from packaging.utils import canonicalize_name

from airbyte_ci.attest.sbom.bill import Component, ComponentOrigin
from airbyte_ci.attest.sbom.found_package import PYPI
from airbyte_ci.attest.vulnerabilities.audited import AuditedBill
from airbyte_ci.attest.vulnerabilities.finding import SEVERITIES, VulnerabilityFinding, rate
from airbyte_ci.attest.vulnerabilities.match_advisories import purls
from airbyte_ci.attest.vulnerabilities.scanner_report import ReportedVulnerability, ScannerReport
from airbyte_ci.base_images.inspection.osv_database import AuditedPackage
from airbyte_ci.errors import ConfigurationError

_Group = tuple[AuditedPackage, ComponentOrigin]
# The kind, the name (Maven: with its group) and the version of a package.
_Key = tuple[str, str, str]
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Attributed:
    """The findings about an image, and those about packages that the image does not have."""

    findings: tuple[VulnerabilityFinding, ...]
    unmatched: tuple[str, ...]


def match_report(bill: AuditedBill, report: ScannerReport, image: str) -> Attributed:
    """Returns the findings by component; raises ConfigurationError for a report about another image."""
    known = _index(bill)
    by_group: dict[_Group, list[tuple[ReportedVulnerability, list[Component]]]] = {}
    unmatched: dict[str, None] = {}
    for item in report.found:
        matched = next((known[key] for key in _keys(item) if key in known), None)
        if matched is None:
            unmatched[f"{item.package} {item.version}".strip()] = None
            continue
        for group, components in matched.items():
            by_group.setdefault(group, []).append((item, components))
    if report.found and not by_group:
        raise ConfigurationError(
            f"the {report.scanner} report is about another image: none of its packages is in {image}",
            advice="scan this image, by its digest",
        )
    findings = [_finding(group, same) for group, reported in by_group.items() for same in _by_alias(reported)]
    return Attributed(tuple(findings), _lines(tuple(unmatched)))


def _lines(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (f"findings about packages that the image does not have: {', '.join(names[:_SHOWN])}{more}",)


def _index(bill: AuditedBill) -> Mapping[_Key, dict[_Group, list[Component]]]:
    """Returns the components by every name that a scanner may use: those of the binary and of the source package."""
    found: dict[_Key, dict[_Group, list[Component]]] = {}
    for group, components in bill.groups.items():
        package, _ = group
        for item in components:
            kind, name, version = _of_purl(item.purl)
            for key in {
                (kind, name, version),
                (kind, name, package.version),
                (kind, package.name.lower(), package.version),
                (kind, package.name.lower(), version),
                ("", name, version),
                ("", package.name.lower(), package.version),
            }:
                found.setdefault(key, {}).setdefault(group, []).append(item)
    return found


def _keys(item: ReportedVulnerability) -> Iterator[_Key]:
    if item.purl:
        yield _of_purl(item.purl)
    yield "", item.package.lower(), item.version
    yield "", str(canonicalize_name(item.package)), item.version


def _of_purl(purl: str) -> _Key:
    """Returns the key of a package URL. Some scanners write Debian's epoch as a qualifier."""
    head, _, query = purl.partition("#")[0].removeprefix("pkg:").partition("?")
    path, _, version = head.partition("@")
    kind, *namespace, name = [unquote(part) for part in path.split("/") if part] or ["", ""]
    epoch = dict(parse_qsl(query)).get("epoch")
    version = unquote(version)
    if epoch and not version.startswith(f"{epoch}:"):
        version = f"{epoch}:{version}"
    if kind == PYPI:
        return kind, str(canonicalize_name(name)), version
    full = f"{'.'.join(namespace)}:{name}" if kind == "maven" else name
    return kind, full.lower(), version


def _by_alias(
    reported: Iterable[tuple[ReportedVulnerability, list[Component]]],
) -> list[list[tuple[ReportedVulnerability, list[Component]]]]:
    """Groups the findings that are about the same vulnerability under different names."""
    groups: list[tuple[set[str], list[tuple[ReportedVulnerability, list[Component]]]]] = []
    for item in reported:
        names = set(item[0].names)
        same = [group for group in groups if not group[0].isdisjoint(names)]
        others = [group for group in groups if group[0].isdisjoint(names)]
        joined = {name for group in same for name in group[0]} | names
        groups = [*others, (joined, [*(entry for group in same for entry in group[1]), item])]
    return [entries for _, entries in groups]


def _finding(group: _Group, entries: Sequence[tuple[ReportedVulnerability, list[Component]]]) -> VulnerabilityFinding:
    package, origin = group
    names = sorted({name for item, _ in entries for name in item.names}, key=lambda name: (_rank(name), name))
    severities = [rate(item.severity) for item, _ in entries]
    return VulnerabilityFinding(
        name=names[0],
        aliases=tuple(names[1:]),
        severity=min(severities, key=SEVERITIES.index),
        ecosystem=package.ecosystem,
        package=package.name,
        version=package.version,
        fixed=next((item.fixed for item, _ in entries if item.fixed), ""),
        origin=origin,
        components=purls(component for _, components in entries for component in components),
    )


def _rank(name: str) -> int:
    return next((rank for rank, prefix in enumerate(("CVE-", "GHSA-", "PYSEC-")) if name.startswith(prefix)), 3)
