"""Reads the report of a scanner about an image: Grype, Trivy or OSV-Scanner, in JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_ci.documents import load_json
from airbyte_ci.errors import ConfigurationError

_ADVICE = "pass the JSON of `grype -o json`, `trivy image --format json` or `osv-scanner --format json`"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedVulnerability:
    """A finding of a scanner. `purl` is empty if the scanner has none; `ecosystem` is its own name for the kind."""

    names: tuple[str, ...]
    package: str
    version: str
    fixed: str
    severity: str
    purl: str = ""
    ecosystem: str = ""


@dataclass(frozen=True, slots=True)
class ScannerReport:
    """The findings of one report, and the scanner that wrote it."""

    scanner: str
    found: tuple[ReportedVulnerability, ...] = field(default_factory=tuple)


def read_report(path: Path) -> ScannerReport:
    """Reads a report; raises ConfigurationError for another kind of file."""
    try:
        document = load_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read the report {path}: {error}", advice=_ADVICE) from error
    if isinstance(document, dict):
        for scanner, key, read in (
            ("Grype", "matches", _grype),
            ("Trivy", "Results", _trivy),
            ("OSV-Scanner", "results", _osv_scanner),
        ):
            if isinstance(document.get(key), list):
                try:
                    return ScannerReport(scanner, tuple(read(document[key])))
                except (AttributeError, LookupError, TypeError) as error:
                    raise ConfigurationError(
                        f"cannot read the report {path}: an entry of {key} has another form ({error})", advice=_ADVICE
                    ) from error
        if "SchemaVersion" in document and "ArtifactName" in document:
            return ScannerReport("Trivy")  # it leaves out the results if there are none
    raise ConfigurationError(f"cannot read the report {path}: it is not a report of a known scanner", advice=_ADVICE)


def _grype(matches: list[Any]) -> Iterator[ReportedVulnerability]:
    for match in matches:
        about, artifact = match["vulnerability"], match["artifact"]
        others = [str(item["id"]) for item in match.get("relatedVulnerabilities") or []]
        fix = about.get("fix") or {}
        yield ReportedVulnerability(
            names=tuple(dict.fromkeys((str(about["id"]), *others))),
            package=str(artifact["name"]),
            version=str(artifact.get("version") or ""),
            fixed=str(next(iter(fix.get("versions") or []), "")),
            severity=str(about.get("severity") or ""),
            purl=str(artifact.get("purl") or ""),
            ecosystem=str(artifact.get("type") or ""),
        )


def _trivy(results: list[Any]) -> Iterator[ReportedVulnerability]:
    for result in results:
        for item in result.get("Vulnerabilities") or []:
            purl = (item.get("PkgIdentifier") or {}).get("PURL") or (item.get("PkgRef") or "")
            others = [str(name) for name in item.get("VendorIDs") or []]
            yield ReportedVulnerability(
                names=tuple(dict.fromkeys((str(item["VulnerabilityID"]), *others))),
                package=str(item["PkgName"]),
                version=str(item.get("InstalledVersion") or ""),
                fixed=str(item.get("FixedVersion") or "").partition(",")[0].strip(),
                severity=str(item.get("Severity") or ""),
                purl=str(purl) if str(purl).startswith("pkg:") else "",
                ecosystem=str(result.get("Type") or ""),
            )


def _osv_scanner(results: list[Any]) -> Iterator[ReportedVulnerability]:
    for result in results:
        for entry in result["packages"]:
            package = entry["package"]
            advisories = {str(item["id"]): item for item in entry.get("vulnerabilities") or []}
            groups = entry.get("groups") or [{"ids": [name]} for name in advisories]
            for group in groups:
                ids = [str(name) for name in group["ids"]]
                own = [advisories[name] for name in ids if name in advisories]
                aliases = [str(name) for name in group.get("aliases") or []]
                aliases += [str(name) for item in own for name in item.get("aliases") or []]
                yield ReportedVulnerability(
                    names=tuple(dict.fromkeys((*ids, *aliases))),
                    package=str(package["name"]),
                    version=str(package.get("version") or ""),
                    fixed=_first_fix(own, str(package["name"])),
                    severity=_severity(group, own),
                    ecosystem=str(package.get("ecosystem") or ""),
                )


def _first_fix(advisories: list[Mapping[str, Any]], package: str) -> str:
    for advisory in advisories:
        for affected in advisory.get("affected") or []:
            if (affected.get("package") or {}).get("name") == package:
                for item in affected.get("ranges") or []:
                    for event in item.get("events") or []:
                        if "fixed" in event and item.get("type") != "GIT":
                            return str(event["fixed"])
    return ""


def _severity(group: Mapping[str, Any], advisories: list[Mapping[str, Any]]) -> str:
    for advisory in advisories:
        specific = advisory.get("database_specific")
        if isinstance(specific, dict) and specific.get("severity"):
            return str(specific["severity"])
    try:
        score = float(group.get("max_severity") or "")
    except ValueError:
        return ""
    limits = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))
    return next((name for limit, name in limits if score >= limit), "")
