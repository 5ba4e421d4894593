"""Formats failed checks as GitHub Actions workflow commands, which GitHub shows at the lines of a pull request.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
"""

from collections.abc import Iterable

from airbyte_ci.checks.rule import Checked, RuleFinding
from airbyte_ci.text import disarm_old, escape_lines


def commands(items: Iterable[Checked], prefix: str = "") -> str:
    """Returns one line per failure, errors first, because GitHub shows at most ten of each kind and step.

    `prefix` is the path from the root of the git repository, such as `connectors/`, or empty.
    """
    failures = [(item, finding) for item in items for finding in item.findings if finding.verdict.status == "failed"]
    failures.sort(key=lambda failure: not failure[1].is_error)
    return "".join(f"{_command(item, finding, prefix)}\n" for item, finding in failures)


def _command(item: Checked, finding: RuleFinding, prefix: str) -> str:
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
    # The runner prints the decoded text to its log, which has its own commands: `##[group]`.
    text = disarm_old(escape_lines(text))
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
