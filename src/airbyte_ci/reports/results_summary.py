"""The summary of results in Markdown, for the page of a CI run; GitHub refuses one of more than a mebibyte as a whole.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#step-isolation-and-limits
"""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from airbyte_ci.reports import next_step
from airbyte_ci.reports.page.blocks import State
from airbyte_ci.reports.results import TITLES, ConnectorResult, ResultPart, worst_first
from airbyte_ci.text import CELL_LIMIT, escape, escape_markdown, plain_lines

# In bytes, below GitHub's limit with room for other steps' text.
LIMIT = 900_000
_SIGNS: dict[State, str] = {
    "failed": "❌ failed",
    "warning": "⚠️ warning",
    "unverified": "❔ not verified",
    "skipped": "➖ skipped",
    "ok": "✅ ok",
    "info": "ok",
}
# Of a step's output, so many lines are shown: the last ones, which name the failure.
_OUTPUT = 40
_REASON = 300
_LOG_LINE = 500


def markdown(results: Sequence[ConnectorResult], title: str) -> str:
    """Returns the summary: counts, tables of what is not ok with the worst first, and the output of failures."""
    return "".join(_fit(_parts(results, title)))


def _parts(results: Sequence[ConnectorResult], title: str) -> Iterator[str]:
    yield f"### {escape_markdown(title)}\n\n"
    if not results:
        yield "No connector was selected.\n"
    grouped = [(command, worst_first(item for item in results if item.command == command)) for command in TITLES]
    for command, items in grouped:
        if items:
            states = Counter(item.state for item in items)
            counts = " · ".join(f"{_SIGNS[state]}: {states[state]}" for state in _SIGNS if states[state])
            yield f"**{TITLES[command]}** of {len(items)}: {counts}\n\n"
    rows = [(item, part) for _, items in grouped for item in items for part in item.bad]
    if rows:
        yield "| connector | result | where | reason |\n|---|---|---|---|\n"
        for item, part in rows:
            cells = (item.name, _SIGNS[part.state], _place(part), part.text[:_REASON])
            yield f"| {' | '.join(escape_markdown(cell) or '–' for cell in cells)} |\n"
        yield "\n"
    for item, part in rows:
        if part.output:
            yield _details(item, part)
    steps = "".join(f"{escape(step)}\n" for step in next_step.merge(part.advice for _, part in rows))
    if steps:
        yield f"Next:\n\n{_fenced(steps, 'sh')}\n"


def _place(part: ResultPart) -> str:
    return f"{part.id} ({part.place})" if part.file else part.id


def _details(item: ConnectorResult, part: ResultPart) -> str:
    text = plain_lines("\n".join(line[:_LOG_LINE] for line in part.output[-_OUTPUT:]) + "\n")
    title = html.escape(escape(f"{item.name}: {part.id}", CELL_LIMIT))
    # Markdown is not read in the line of an HTML element.
    return f"<details><summary>{title}</summary>\n\n{_fenced(text, 'text')}\n</details>\n\n"


def _fenced(text: str, kind: str) -> str:
    # A fence that is longer than every run of backticks in the text cannot end in it.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{kind}\n{text}{fence}\n"


def _fit(parts: Iterable[str]) -> Iterator[str]:
    """Yields the parts up to the limit, and that there are more."""
    size = 0
    for part in parts:
        size += len(part.encode())
        if size > LIMIT:
            yield "\nThe rest does not fit here: it is in the reports of this run.\n"
            return
        yield part
