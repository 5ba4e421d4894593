"""Formats failures as GitHub Actions workflow commands, which GitHub shows at the lines of a pull request.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
"""

from collections.abc import Iterator, Sequence

from airbyte_ci.reports.page.blocks import State
from airbyte_ci.reports.results import ConnectorResult, ResultPart
from airbyte_ci.text import disarm_old, escape_lines

# GitHub drops further ones of a kind and step silently: https://github.com/orgs/community/discussions/26680
_MOST = 10
_KINDS: tuple[tuple[State, str], ...] = (("failed", "error"), ("warning", "warning"))


def commands(results: Sequence[ConnectorResult], prefix: str = "") -> str:
    """Returns one line per failure, errors first, and no more than GitHub shows; the last one counts what is left out.

    `prefix` is the path from the root of the git repository, such as `connectors/`, or empty.
    """
    return "".join(f"{line}\n" for state, kind in _KINDS for line in _of_kind(results, state, kind, prefix))


def _of_kind(results: Sequence[ConnectorResult], state: State, kind: str, prefix: str) -> Iterator[str]:
    found = [(item, part) for item in results for part in item.bad if part.state == state]
    shown = found if len(found) <= _MOST else found[: _MOST - 1]
    for item, part in shown:
        yield _command(kind, item, part, prefix)
    if rest := len(found) - len(shown):
        yield f"::{kind} title=airbyte-ci::{rest} more {kind}s are in the log and the summary of this run"


def _command(kind: str, item: ConnectorResult, part: ResultPart, prefix: str) -> str:
    properties = {}
    if part.file:
        properties["file"] = prefix + part.file
        if part.line:
            properties["line"] = str(part.line)
    properties["title"] = f"{item.name}: {part.id}"
    shown = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    message = "\n".join(text for text in (part.text, part.advice) if text)
    return f"::{kind} {shown}::{_data(message)}"


def _data(text: str) -> str:
    # The runner prints the decoded text to its log, which has its own commands: `##[group]`.
    text = disarm_old(escape_lines(text))
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
