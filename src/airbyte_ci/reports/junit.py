"""Formats check results as JUnit XML for Jenkins, GitLab and others: a suite per connector, a case per check.

JUnit has no official schema; the format follows https://github.com/testmoapp/junitxml.
"""

from collections.abc import Sequence
from xml.etree import ElementTree

from airbyte_ci.checks.rule import Checked, RuleFinding
from airbyte_ci.text import escape_lines, with_id


def document(items: Sequence[Checked], prefix: str = "", shard: str = "") -> str:
    """Returns the report. Errors fail their case; warnings only appear in its output, in line with the exit code.

    Checks that do not apply or could not be verified are skipped, with the reason.
    """
    root = ElementTree.Element("testsuites", {"name": titled("airbyte-ci connectors check", shard), **_totals(items)})
    for item in items:
        suite = ElementTree.SubElement(root, "testsuite", {"name": plain(item.name), **_totals([item])})
        for finding in item.findings:
            _case(suite, item, finding, prefix)
    return written(root)


def titled(command: str, shard: str) -> str:
    """Returns the name of a report: the command, and the shard whose results it has."""
    return f"{command}, shard {shard}" if shard else command


def written(root: ElementTree.Element) -> str:
    """Returns the document as text."""
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _totals(items: Sequence[Checked]) -> dict[str, str]:
    findings = [finding for item in items for finding in item.findings]
    skipped = sum(finding.verdict.status in ("skipped", "unverified") for finding in findings)
    errors = sum(finding.is_error for finding in findings)
    return {"tests": str(len(findings)), "failures": str(errors), "errors": "0", "skipped": str(skipped), "time": "0"}


def _case(suite: ElementTree.Element, item: Checked, finding: RuleFinding, prefix: str) -> None:
    verdict = finding.verdict
    attributes = {"name": finding.rule.id, "classname": plain(item.name), "time": "0"}
    if verdict.place:
        attributes["file"] = plain(prefix + verdict.place.path)
        if verdict.place.line:
            attributes["line"] = str(verdict.place.line)
    case = ElementTree.SubElement(suite, "testcase", attributes)
    text = with_id(verdict.reason, verdict.error_id)
    message = plain("\n".join(part for part in (text, verdict.advice) if part))
    if finding.is_error:
        failure = {"message": plain(text), "type": finding.rule.id}
        ElementTree.SubElement(case, "failure", failure).text = message
    elif finding.is_warning:
        ElementTree.SubElement(case, "system-out").text = f"warning: {message}"
    elif verdict.status != "ok":
        reason = f"unverified: {text}" if finding.is_unverified else text
        ElementTree.SubElement(case, "skipped", {"message": plain(reason)})


def plain(text: str) -> str:
    """Returns the text without characters that XML 1.0 forbids or that move a terminal's cursor."""
    return escape_lines(text)
