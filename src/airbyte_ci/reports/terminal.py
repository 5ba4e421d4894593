"""Formats outcomes as text for a terminal."""

from collections.abc import Collection, Sequence

from click import style

from airbyte_ci.outcomes import Outcome, Status
from airbyte_ci.reports import next_step
from airbyte_ci.text import MESSAGE_LIMIT, escape, escape_message, join_lines, with_id

_MARKS = {
    "ok": ("✓", "green"),
    "skipped": ("–", "yellow"),
    "failed": ("✗", "red"),
    "unverified": ("?", "yellow"),
}
# Of a change so many files are named.
_MOST_FILES = 3
# A digest as people read it: its algorithm and twelve digits.
_DIGEST = len("sha256:") + 12


def mark(status: Status) -> str:
    """Returns the sign of a status."""
    sign, color = _MARKS[status]
    return style(sign, fg=color)


def outcome(item: Outcome, *, alone: bool = True) -> str:
    """Returns the text of one outcome: a line, its details, and what to do next.

    If it is not `alone`, `ending` prints its next command, joined with those of the others.
    """
    words = escape_message(item.summary if item.status == "ok" else item.reason or item.summary)
    subject = "" if item.subject in words.partition(":")[0] else f"{item.subject} "
    lines = [f"{mark(item.status)} {subject}{with_id(words, item.error_id, is_dim=True)}"]
    lines += [f"  {escape(detail, MESSAGE_LIMIT)}" for detail in item.details]
    if item.advice and (alone or not next_step.is_shared(item.advice)):
        lines.append(f"  {next_step.line(item.advice)}")
    return join_lines(lines).removesuffix("\n")


def change(subject: str, files: Sequence[str], items: Sequence[Outcome], seconds: float, known: Collection[str]) -> str:
    """Returns what became of a change while a connector is watched: one line, and warnings that are not `known` yet.

    `items` are the outcomes of the subject's platforms. Failures are shown whole.
    """
    more = f" and {len(files) - _MOST_FILES} more" if len(files) > _MOST_FILES else ""
    names = f": {', '.join(escape(name) for name in files[:_MOST_FILES])}{more}" if files else ""
    ended = ", ".join(f"{mark(item.status)} {_short(item)}" for item in items)
    time = "" if any(item.status == "failed" for item in items) else f" {seconds:.1f} s"
    lines = [f"{escape(subject)} changed{names} → {ended}{time}"]
    for item in items:
        is_failed = item.status == "failed"
        shown = [detail for detail in item.details if is_failed or (detail.startswith("!") and detail not in known)]
        lines += [f"  {escape(detail, MESSAGE_LIMIT)}" for detail in shown]
        lines += [f"  {next_step.line(item.advice)}"] if item.advice and is_failed else []
    return join_lines(lines).removesuffix("\n")


def _short(item: Outcome) -> str:
    """The digest of an outcome; why it failed, where it has none."""
    digest = str(item.facts.get("digest", ""))
    words = digest[:_DIGEST] if digest else with_id(escape_message(item.reason or item.summary), item.error_id)
    return f"{words} ({escape_message(item.reason)})" if digest and item.reason else words


def ending(items: Sequence[Outcome], done: str, *, whole: int = 0) -> str:
    """Returns the last lines for several outcomes: counts and next commands; nothing for a single outcome.

    `whole` is the number of connectors of `--all`, if it was used.
    """
    if len(items) <= 1:
        return ""
    steps = next_step.merge((item.advice for item in items), whole=whole)
    return join_lines([count(items, done), *(next_step.line(step) for step in steps)])


def unfinished(names: Sequence[str], total: int, done: str) -> str:
    """Returns the line about connectors that an interrupted run did not reach; `done` is the word for the others."""
    return f"interrupted: {total - len(names)} of {total} connectors {done}; not {done}: {', '.join(names)}"


def count(items: Sequence[Outcome], done: str) -> str:
    """Returns the line that counts the outcomes by status."""
    numbers = {
        done: sum(item.status == "ok" for item in items),
        "unverified": sum(item.status == "unverified" for item in items),
        "skipped": sum(item.status == "skipped" for item in items),
        "failed": sum(item.status == "failed" for item in items),
    }
    shown = " · ".join(f"{number} {name}" for name, number in numbers.items() if number or name == done)
    return f"{len(items)} connectors: {shown}"
