"""Failures as GitHub Actions' workflow commands, which it shows at the lines of a pull request.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
"""

from collections.abc import Iterable

from airbyte_ci.checks.rule import Checked, Finding
from airbyte_ci.text import disarm_old, escape_lines


def commands(items: Iterable[Checked], prefix: str = "") -> str:
    """One line for each failure, errors first: GitHub shows ten of each kind and step, and no more.

    `prefix` is where the paths are from the repository's root: `connectors/`, or empty.
    """
    failures = [(item, finding) for item in items for finding in item.findings if finding.verdict.status == "failed"]
    failures.sort(key=lambda failure: not failure[1].is_error)
    return "".join(f"{_command(item, finding, prefix)}\n" for item, finding in failures)


def _command(item: Checked, finding: Finding, prefix: str) -> str:
    verdict = finding.verdict
    properties = {}
    if verdict.place:
        properties["file"] = prefix + verdict.place.path
        if verdict.place.line:
            properties["line"] = str(verdict.place.line)
    properties["title"] = f"{item.name}: {finding.rule.id}"
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    message = "\n".join(part for part in (verdict.reason, verdict.advice) if part)
    return f"::{finding.severity} {told}::{_data(message)}"


def _data(text: str) -> str:
    # The runner prints what it decoded, and its log has commands of its own: `##[group]`.
    text = disarm_old(escape_lines(text))
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
