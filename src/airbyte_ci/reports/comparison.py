"""Formats the comparison of two images: text of 80 columns, and Markdown for pull requests and job summaries."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from airbyte_ci.attest.compare.comparison import FAILING, FactRow, ImageComparison, ImageSummary, Verdict
from airbyte_ci.attest.compare.kinds import BY_ID, KINDS
from airbyte_ci.text import escape, escape_markdown, join_lines

_WIDTH = 80
# Rows of one verdict that are shown; JSON has all.
_MOST = 40
_VALUE = 120
_TITLES: Mapping[Verdict, str] = {
    "lost": "Lost: the new image lacks it",
    "unexplained": "Different, unexplained",
    "expected": "Different, expected",
    "same": "Same",
}
_SIGNS: Mapping[Verdict, str] = {"lost": "✗", "unexplained": "≠", "expected": "·", "same": "="}
_COLORS: Mapping[Verdict, str] = {"lost": "red", "unexplained": "yellow"}


@dataclass(frozen=True, slots=True)
class FoldedRow:
    """A row as it is shown, with the number of rows that it stands for: those of the files in a folder."""

    row: FactRow
    below: int = 0

    @property
    def subject(self) -> str:
        more = f" and {self.below} below it" if self.below else ""
        return f"{self.row.kind} {escape(self.row.name)}{more}"

    @property
    def detail(self) -> str:
        """Returns the difference in a few words."""
        said = escape(self.row.change) or change(self.row)
        return f"added: {said}" if self.row.old is None and self.row.new is not None else said


def change(row: FactRow) -> str:
    """Returns the two values in a few words."""
    values = [escape(value, _VALUE) for value in (row.old, row.new) if value is not None]
    return " → ".join(values)


def text(found: ImageComparison, *, show_all: bool = False) -> str:
    """Returns a summary, then the rows that are not the same; expected ones are counted, unless `show_all` is set."""
    lines = [
        _cut(f"{found.old.name} → {found.new.name}"),
        f"  {_mark(found)} {verdict_line(found)}",
        f"  {_sizes(found)}",
        *(f"  {line}" for line in _origin_lines(found)),
    ]
    for note in found.notes:
        lines += _wrap(f"! {note}", 2)
    for verdict in FAILING:
        lines += _section(verdict, found.of(verdict))
    expected = found.of("expected")
    if show_all:
        lines += _section("expected", expected, most=len(expected))
    elif expected:
        lines.append(_TITLES["expected"])
        for line in _expected(expected):
            lines += _wrap(f"· {line}", 2)
    return join_lines(lines)


def verdict_line(found: ImageComparison) -> str:
    """Returns `1 lost · 2 unexplained · 30 expected · 4,000 same`."""
    counts = found.counts
    shown = [f"{counts[verdict]:,} {verdict}" for verdict in (*FAILING, "expected") if counts[verdict]]
    return " · ".join([*shown, f"{counts['same']:,} same"])


def proof_line(found: ImageComparison) -> str:
    """Returns the verdict line, and the commands of the connector that were compared."""
    return f"{verdict_line(found)} · compared {', '.join(found.commands)}"


def _mark(found: ImageComparison) -> str:
    return click.style("✗", fg="red") if found.has_failures else click.style("✓", fg="green")


def _section(verdict: Verdict, rows: Sequence[FactRow], most: int = _MOST) -> Iterator[str]:
    if not rows:
        return
    items = fold(rows)
    yield f"{_TITLES[verdict]} ({len(rows):,})"
    sign = click.style(_SIGNS[verdict], fg=_COLORS.get(verdict)) if verdict in _COLORS else _SIGNS[verdict]
    for item in items[:most]:
        detail = item.detail
        subject = _cut(item.subject, _WIDTH - 4)
        if len(subject) + len(detail) + 6 <= _WIDTH:
            yield f"  {sign} {subject}{f'  {detail}' if detail else ''}"
        else:
            yield f"  {sign} {subject}"
            yield from _wrap(detail, 6)
        if item.row.reason:
            yield from _wrap(escape(item.row.reason), 6)
    if len(items) > most:
        yield f"  … and {len(items) - most:,} more; --json lists all"


def fold(rows: Sequence[FactRow]) -> list[FoldedRow]:
    """Returns the rows without files of folders that are lost or new as a whole; the folder's row counts them."""
    folders = {row.name for row in rows if row.kind == "file" and (row.old is None or row.new is None)}
    below: Counter[str] = Counter()
    shown = []
    for row in rows:
        above = next((parent for parent in _parents(row.name) if parent in folders), "") if row.kind == "file" else ""
        if above and (row.old is None or row.new is None):
            below[above] += 1
        else:
            shown.append(row)
    return [FoldedRow(row, below[row.name] if row.kind == "file" else 0) for row in shown]


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _expected(rows: Iterable[FactRow]) -> list[str]:
    """Returns the expected differences by reason: `3 packages, 1 file: come from …`."""
    by_reason: dict[str, Counter[str]] = {}
    for row in rows:
        by_reason.setdefault(row.reason, Counter())[row.kind] += 1
    return [f"{_counted(kinds)}: {escape(reason)}" for reason, kinds in by_reason.items()]


def _counted(kinds: Mapping[str, int]) -> str:
    order = [kind for kind in KINDS if kinds.get(kind.id)]
    return ", ".join(f"{kinds[kind.id]:,} {kind.id if kinds[kind.id] == 1 else kind.plural}" for kind in order)


def _sizes(found: ImageComparison) -> str:
    old, new = found.old.size, found.new.size
    shown = f"{_mega(old)} → {_mega(new)} compressed"
    if found.old.startup is not None and found.new.startup is not None:
        shown += f", spec in {found.old.startup:.1f} s → {found.new.startup:.1f} s"
    return shown


def _origin_lines(found: ImageComparison) -> list[str]:
    names = list(dict.fromkeys((*found.old.origins, *found.new.origins)))
    parts = [f"{name} {_size_of(found.old, name)} → {_size_of(found.new, name)}" for name in names]
    return [line.removeprefix("  ") for line in _wrap(f"uncompressed: {', '.join(parts)}", 2)] if parts else []


def _size_of(side: ImageSummary, name: str) -> str:
    return _mega(side.origins.get(name, 0))


def _mega(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 or not size else f"{size / 1e3:,.0f} kB"


def _wrap(line: str, indent: int) -> list[str]:
    """Returns a text as lines of the width of a terminal; names with hyphens stay whole."""
    start, further = " " * indent, " " * (indent + 2 if indent < 4 else indent)
    return textwrap.wrap(line, _WIDTH, initial_indent=start, subsequent_indent=further, break_on_hyphens=False)


def _cut(line: str, width: int = _WIDTH) -> str:
    """Returns a line shortened in its middle: a path's end says more than its middle."""
    if len(line) <= width:
        return line
    end = width // 2
    return f"{line[: width - 1 - end]}…{line[-end:]}"


# --- Markdown ------------------------------------------------------------------------------------


def markdown(found: ImageComparison) -> str:
    """Returns Markdown for reviewers: a table of the rows that need a decision, and the expected ones folded."""
    mark = "❌" if found.has_failures else "✅"
    lines = [
        f"**{mark} {escape_markdown(found.old.name)} → {escape_markdown(found.new.name)}**",
        "",
        f"{verdict_line(found)} · {_sizes(found)}",
        "",
    ]
    lines += [f"> {escape_markdown(note)}" for note in found.notes]
    lines += [""] if found.notes else []
    failing = found.of(*FAILING)
    if failing:
        lines += ["| | What | Difference |", "|---|---|---|"]
        items = fold(failing)
        lines += [_markdown_row(item) for item in items[:_MOST]]
        lines.append("")
        if len(items) > _MOST:
            lines += [f"… and {len(items) - _MOST:,} more.", ""]
    expected = found.of("expected")
    if expected:
        lines += [f"<details><summary>{len(expected):,} expected differences</summary>", ""]
        lines += [f"- {escape_markdown(line)}" for line in _expected(expected)]
        lines += ["", "</details>", ""]
    lines += ["| Uncompressed | old | new |", "|---|---|---|"]
    names = dict.fromkeys((*found.old.origins, *found.new.origins))
    lines += [f"| {name} | {_size_of(found.old, name)} | {_size_of(found.new, name)} |" for name in names]
    return "\n".join(lines) + "\n"


def _markdown_row(item: FoldedRow) -> str:
    row = item.row
    said = f"{item.detail}; {escape(row.reason)}" if row.reason else item.detail
    return f"| {row.verdict} | {_code(item.subject)} | {_code(said)} |"


def _code(line: str) -> str:
    """Returns code, so that no text of an image becomes a mention, a link or markup."""
    shown = " ".join(line.replace("`", "'").split()).replace("|", "\\|")
    return f"`{shown}`" if shown else ""


def kinds_table() -> str:
    """Returns the table of kinds in the documentation."""
    rows = [f"| {kind.id} | {kind.source} | {'yes' if BY_ID[kind.id].follows_base else 'no'} |" for kind in KINDS]
    head = "| kind | source | the new base explains it even if the old base is unknown |"
    return "\n".join([head, "|---|---|---|", *rows]) + "\n"
