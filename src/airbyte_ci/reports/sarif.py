"""Checked connectors as SARIF 2.1.0, which code scanning reads: https://docs.oasis-open.org/sarif/sarif/v2.1.0/"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airbyte_ci import __version__
from airbyte_ci.checks.rule import Checked, Finding, Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"


def document(
    items: Sequence[Checked], rules: Sequence[Rule], prefix: str = "", pages: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Failures are results; what could not be verified is a notification, because it is no finding about the code.

    `pages` are addresses of the rules' pages, by id, where there are any.
    """
    positions = {rule.id: position for position, rule in enumerate(rules)}
    results = [
        _result(item, finding, positions[finding.rule.id], prefix)
        for item in items
        for finding in item.findings
        if finding.verdict.status == "failed"
    ]
    unverified = [
        _notification(item, finding, positions[finding.rule.id])
        for item in items
        for finding in item.findings
        if finding.is_unverified
    ]
    described = [_rule(rule, (pages or {}).get(rule.id)) for rule in rules]
    driver = {"name": "airbyte-ci", "semanticVersion": __version__, "rules": described}
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": unverified}],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule, page: str | None) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": f"{rule.title} {rule.why}"},
        "help": {"text": rule.why, "markdown": f"**{rule.title}**\n\n{rule.why}"},
        **({"helpUri": page} if page else {}),
        "defaultConfiguration": {"level": rule.severity or "error"},
    }


def _result(item: Checked, finding: Finding, position: int, prefix: str) -> dict[str, Any]:
    verdict = finding.verdict
    message = f"{item.name}: {verdict.reason}" + (f" → {verdict.advice}" if verdict.advice else "")
    message = message.replace("](", "] (")  # would be a link, which the text does not mean (section 3.11.6)
    # What stands for "the same problem" from run to run: neither the line nor the wording may count.
    identity = hashlib.sha256(f"{finding.rule.id}\0{prefix}{item.folder}".encode()).hexdigest()
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": position,
        "level": finding.severity,
        "message": {"text": message},
        "locations": [{"physicalLocation": _location(item, finding, prefix)}],
        "partialFingerprints": {"connectorAndRule/v1": identity},
    }


def _location(item: Checked, finding: Finding, prefix: str) -> dict[str, Any]:
    place = finding.verdict.place
    path = prefix + (place.path if place else item.folder)
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(path), "uriBaseId": _ROOT}}
    # Code scanning shows no result without a line.
    location["region"] = {"startLine": place.line if place and place.line else 1}
    return location


def _notification(item: Checked, finding: Finding, position: int) -> dict[str, Any]:
    return {
        "level": "note",
        "message": {"text": f"{item.name}: {finding.rule.id} not verified: {finding.verdict.reason}"},
        "associatedRule": {"id": finding.rule.id, "index": position},
    }
