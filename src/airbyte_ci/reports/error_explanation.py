"""Formats the explanations of error ids and of checks as text and JSON."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from click import style

from airbyte_ci.checks.rule import Rule
from airbyte_ci.error_pages import ErrorPage
from airbyte_ci.text import join_lines

_WIDTH = 80


def lines(page: ErrorPage, width: int | None = None) -> str:
    """Returns the explanation of an error: what happened, why, and how to fix it."""
    wrap = _Wrap(width)
    text = [*wrap(f"{page.id}: {page.title}"), "", *wrap(page.cause), ""]
    text += [line for fix in page.fixes for line in wrap(fix, "→ ")]
    return join_lines([*text, "", *wrap(page.example, style("example: ", dim=True), len("example: "))])


def rule_lines(rule: Rule, width: int | None = None) -> str:
    """Returns the explanation of a check."""
    wrap = _Wrap(width)
    return join_lines(
        [*wrap(f"{rule.id}: {rule.title}"), "", *wrap(rule.why), "", f"→ airbyte-ci connectors check --only {rule.id}"]
    )


def table(sections: Mapping[str, Sequence[ErrorPage]], width: int | None = None) -> str:
    """Returns all ids with their titles, by section."""
    longest = max(len(page.id) for pages in sections.values() for page in pages)
    text: list[str] = []
    for title, pages in sections.items():
        text += [style(title, bold=True)]
        text += [line for page in pages for line in _Wrap(width)(page.title, f"  {page.id:{longest}}  ")]
    return join_lines(text)


def to_json(page: ErrorPage) -> dict[str, Any]:
    """Returns the JSON document of an explanation."""
    return {
        "id": page.id,
        "title": page.title,
        "cause": page.cause,
        "fixes": list(page.fixes),
        "example": page.example,
    }


class _Wrap:
    """Wraps prose at the width of the terminal, but not wider than 80 columns."""

    def __init__(self, width: int | None) -> None:
        self._width = max(min(width or _WIDTH, _WIDTH), 20)

    def __call__(self, text: str, mark: str = "", columns: int | None = None) -> Iterator[str]:
        """Yields the lines; `mark` precedes the first, and the others are indented by its `columns`."""
        indent = len(mark) if columns is None else columns
        wrapped = textwrap.wrap(text, self._width - indent, break_long_words=False, break_on_hyphens=False)
        return (f"{' ' * indent if number else mark}{line}" for number, line in enumerate(wrapped))
