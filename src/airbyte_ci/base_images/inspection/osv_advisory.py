"""Reads one advisory of an OSV database: its names, its severity, and the affected versions."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from packaging.version import InvalidVersion

Order = Callable[[str], Any]
# Debian's words for advisories that are no security problem of its packages.
_NO_PROBLEM = frozenset(("unimportant", "not affected", "not-affected"))
_NOT_SAID = frozenset(("", "not yet assigned", "none"))
# CVSS v3.1, section 7.4; the weights of each metric.
_IMPACTS = {"H": 0.56, "L": 0.22, "N": 0.0}
_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    **dict.fromkeys("CIA", _IMPACTS),
}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}


def is_one(value: object) -> bool:
    """Returns whether the document is an advisory; databases of other tools are JSON too."""
    return isinstance(value, dict) and isinstance(value.get("id"), str) and ("affected" in value or "modified" in value)


def names(advisory: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the vulnerabilities of the advisory, each by its CVE if it has one.

    `aliases` are other names of the same vulnerability; `upstream` may list several that a distribution fixes together.
    """
    for group in ([advisory["id"], *(advisory.get("aliases") or [])], advisory.get("upstream") or []):
        known = dict.fromkeys(str(name).removeprefix("DEBIAN-") for name in group)
        if cves := [name for name in known if name.startswith("CVE-")]:
            return tuple(cves) if group is advisory.get("upstream") else (cves[0],)
    return (str(advisory["id"]),)


def aliases(advisory: Mapping[str, Any]) -> frozenset[str]:
    """Returns all names of the same vulnerability, the advisory's own included."""
    listed = [advisory["id"], *(advisory.get("aliases") or [])]
    return frozenset(str(name).removeprefix("DEBIAN-") for name in listed)


def is_no_problem(affected: Mapping[str, Any]) -> bool:
    """Returns whether the distribution itself rates the advisory as unimportant."""
    return _urgency(affected) in _NO_PROBLEM


def severity(advisory: Mapping[str, Any], affected: Mapping[str, Any]) -> str:
    """Returns low, medium, high or critical, from the database or the CVSS vector; else the database's own word."""
    specific = advisory.get("database_specific")
    said = str(specific.get("severity") or "").lower() if isinstance(specific, dict) else ""
    scores = [*(affected.get("severity") or []), *(advisory.get("severity") or [])]
    vectors = [str(item.get("score", "")) for item in scores if isinstance(item, dict)]
    rated = next((rating for vector in vectors if (rating := _rating(vector))), "")
    urgency = _urgency(affected)
    return said or rated or ("" if urgency in _NOT_SAID else urgency) or next(iter(vectors), "")


def _urgency(affected: Mapping[str, Any]) -> str:
    for place in ("ecosystem_specific", "database_specific"):
        specific = affected.get(place)
        if isinstance(specific, dict) and specific.get("urgency"):
            return str(specific["urgency"]).lower()
    return ""


def _rating(vector: str) -> str:
    """Returns the severity of a CVSS v3 vector; empty for other vectors."""
    if not vector.startswith("CVSS:3"):
        return ""
    metrics = dict(part.partition(":")[::2] for part in vector.split("/")[1:])
    try:
        weights = {name: values[metrics[name]] for name, values in _WEIGHTS.items()}
        privileges = _PRIVILEGES[metrics["S"]][metrics["PR"]]
    except KeyError:
        return ""
    inside = 1 - (1 - weights["C"]) * (1 - weights["I"]) * (1 - weights["A"])
    changed = metrics["S"] == "C"
    impact = 7.52 * (inside - 0.029) - 3.25 * (inside - 0.02) ** 15 if changed else 6.42 * inside
    exploitable = 8.22 * weights["AV"] * weights["AC"] * privileges * weights["UI"]
    score = (
        0.0 if impact <= 0 else math.ceil(min((1.08 if changed else 1) * (impact + exploitable), 10) * 10 - 1e-6) / 10
    )
    limits = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))
    return next((rating for limit, rating in limits if score >= limit), "none")


def fixed_in(affected: Mapping[str, Any], version: str, order: Order) -> tuple[bool, str]:
    """Returns whether this version is affected, and the version that fixes it; (False, fix) if it has the fix."""
    try:
        mine = order(version)
    except (InvalidVersion, ValueError):
        return False, ""
    past = ""
    for item in affected.get("ranges") or []:
        if item.get("type") in ("ECOSYSTEM", "SEMVER"):
            inside, end = _within(item, mine, order)
            if inside:
                return True, end
            past = past or end
    if not past and version in (affected.get("versions") or []):
        return True, ""
    return False, past


def _within(item: Mapping[str, Any], mine: object, order: Order) -> tuple[bool, str]:
    """Evaluates a range's events in order: affected from `introduced` to before `fixed`, or up to `last_affected`."""
    inside, end = False, ""
    events = [(kind, str(value)) for event in item.get("events") or [] for kind, value in event.items()]
    try:
        for kind, value in sorted(events, key=lambda event: _position(event, order)):
            if kind == "introduced" and (value == "0" or order(value) <= mine):
                inside, end = True, ""
            elif kind == "fixed" and inside:
                inside, end = order(value) > mine, value
            elif kind == "last_affected" and inside:
                inside = mine <= order(value)
            if inside and end:
                break
    except (InvalidVersion, ValueError):
        return False, ""
    return inside, end


def _position(event: tuple[str, str], order: Order) -> tuple[bool, Any, bool]:
    kind, value = event
    return (False, order("0"), False) if value == "0" else (True, order(value), kind == "last_affected")
