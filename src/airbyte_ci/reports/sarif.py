"""Formats check results as SARIF 2.1.0 for code scanning: https://docs.oasis-open.org/sarif/sarif/v2.1.0/"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airbyte_ci import __version__
from airbyte_ci.checks.rule import Checked, Rule, RuleFinding
from airbyte_ci.error_pages import PAGES, ErrorPage
from airbyte_ci.text import with_id

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"


def document(
    items: Sequence[Checked],
    rules: Sequence[Rule],
    prefix: str = "",
    pages: Mapping[str, str] | None = None,
    shard: str = "",
) -> dict[str, Any]:
    """Returns the report. Failures are results; unverified checks are notifications, as they do not concern the code.

    `pages` has the addresses of the rules' pages, by ID. With a shard, the run has a category of its own, because code
    scanning replaces the results of an earlier run of the same category.
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
    pages_of_errors = _pages(items)
    driver = {
        "name": "airbyte-ci",
        "semanticVersion": __version__,
        "rules": described,
        **({"notifications": [_error(page) for page in pages_of_errors]} if pages_of_errors else {}),
    }
    run = {
        "tool": {"driver": driver},
        **({"automationDetails": {"id": f"airbyte-ci connectors check/shard {shard}/"}} if shard else {}),
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": unverified}],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _pages(items: Sequence[Checked]) -> list[ErrorPage]:
    """Returns the explanations of the errors that prevented a check, by id."""
    found = {finding.verdict.error_id for item in items for finding in item.findings if finding.is_unverified}
    return [page for error_id in sorted(found) if (page := PAGES.get(error_id))]


def _error(page: ErrorPage) -> dict[str, Any]:
    fixes = "".join(f"\n* {fix}" for fix in page.fixes)
    return {
        "id": page.id,
        "shortDescription": {"text": page.title},
        "fullDescription": {"text": f"{page.title} {page.cause}"},
        "help": {"text": f"airbyte-ci explain {page.id}", "markdown": f"{page.cause}\n{fixes}"},
    }


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


def _result(item: Checked, finding: RuleFinding, position: int, prefix: str) -> dict[str, Any]:
    verdict = finding.verdict
    message = with_id(f"{item.name}: {verdict.reason}", verdict.error_id)
    message += f" → {verdict.advice}" if verdict.advice else ""
    message = message.replace("](", "] (")  # would otherwise be a link (section 3.11.6)
    # Identifies the same problem in later runs, so it must not depend on the line or the wording.
    identity = hashlib.sha256(f"{finding.rule.id}\0{prefix}{item.folder}".encode()).hexdigest()
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": position,
        "level": finding.severity,
        "message": {"text": message},
        "locations": [{"physicalLocation": _location(item, finding, prefix)}],
        "partialFingerprints": {"connectorAndRule/v1": identity},
        **({"properties": {"errorId": verdict.error_id}} if verdict.error_id else {}),
    }


def _location(item: Checked, finding: RuleFinding, prefix: str) -> dict[str, Any]:
    place = finding.verdict.place
    path = prefix + (place.path if place else item.folder)
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(path), "uriBaseId": _ROOT}}
    # Code scanning hides results without a line.
    location["region"] = {"startLine": place.line if place and place.line else 1}
    return location


def _notification(item: Checked, finding: RuleFinding, position: int) -> dict[str, Any]:
    reason = with_id(finding.verdict.reason, finding.verdict.error_id)
    return {
        "level": "note",
        **({"descriptor": {"id": finding.verdict.error_id}} if finding.verdict.error_id else {}),
        "message": {"text": f"{item.name}: {finding.rule.id} not verified: {reason}"},
        "associatedRule": {"id": finding.rule.id, "index": position},
    }
