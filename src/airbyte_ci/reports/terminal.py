"""Outcomes as people read them in a terminal. Pure: outcomes → text."""

from collections.abc import Sequence

from click import style

from airbyte_ci.outcomes import Outcome, Status
from airbyte_ci.text import MESSAGE_LIMIT, escape, escape_message, join_lines

_MARKS = {
    "ok": ("✓", "green"),
    "skipped": ("–", "yellow"),
    "failed": ("✗", "red"),
    "unverified": ("?", "yellow"),
}


def mark(status: Status) -> str:
    """The sign before whatever ended so."""
    sign, color = _MARKS[status]
    return style(sign, fg=color)


def outcome(item: Outcome) -> str:
    """Returns one outcome: a line, its details, and the next command."""
    told = escape_message(item.summary if item.status == "ok" else item.reason or item.summary)
    subject = "" if item.subject in told.partition(":")[0] else f"{item.subject} "
    lines = [f"{mark(item.status)} {subject}{told}"]
    lines += [f"  {escape(detail, MESSAGE_LIMIT)}" for detail in item.details]
    if item.advice:
        lines.append(f"  {style('next:', dim=True)} {item.advice}")
    return join_lines(lines).removesuffix("\n")


def count(items: Sequence[Outcome], done: str) -> str:
    """The last line: how many of each."""
    numbers = {
        done: sum(item.status == "ok" for item in items),
        "unverified": sum(item.status == "unverified" for item in items),
        "skipped": sum(item.status == "skipped" for item in items),
        "failed": sum(item.status == "failed" for item in items),
    }
    shown = " · ".join(f"{number} {name}" for name, number in numbers.items() if number or name == done)
    return f"{len(items)} connectors: {shown}"
