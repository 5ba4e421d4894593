"""Finds the changelog table of a page and parses its lines. Does not add rows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from airbyte_ci.edits import markdown_table
from airbyte_ci.edits.markdown_table import TableLine
from airbyte_ci.errors import EditRefused

_VERSION_COLUMN = {"version", "versions"}
_DATE_COLUMN = {"date", "date of change"}
_PULL_REQUEST_COLUMN = {"pull request", "pull requests", "pull request(s)", "pr", "prs"}
_SUBJECT_COLUMN = {"subject", "description", "notes", "changes"}
# Pages that the Connector Builder wrote have no column for the pull request.
_COLUMNS = (
    (_VERSION_COLUMN, _DATE_COLUMN, _PULL_REQUEST_COLUMN, _SUBJECT_COLUMN),
    (_VERSION_COLUMN, _DATE_COLUMN, _SUBJECT_COLUMN),
)
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]++(.*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_COMMENT = re.compile(r" {0,3}<!--")
# Formatting around the version, a remark like "(broken)" and the address of a link are ignored.
_VERSION = re.compile(r"[`*_~\[\s]*v?(\d[^\s`*~\[\]()]*+)[`*_~\]\s]*+(?:\(.*\))?[`*_~\s]*")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its line number in the page, its cells, and its version, empty if the cell has none.

    `has_pull_request` if its table has a column for the pull request.
    """

    number: int
    line: TableLine
    version: str
    has_pull_request: bool = True

    def text(self, column: int) -> str:
        """Returns the text of that cell, empty if the row is too short."""
        return self.line.texts[column] if column < len(self.line.texts) else ""

    @property
    def pull_request(self) -> str:
        """Returns the text of the cell with the pull request, empty in a table without that column."""
        return self.text(2) if self.has_pull_request else ""

    @property
    def subject(self) -> str:
        """Returns the text of the cell with the change."""
        return self.text(3 if self.has_pull_request else 2)


@dataclass(frozen=True, slots=True)
class Table:
    """The header, the rule below it (if present), the number of the line after the rows, and the rows.

    `further` are the rows of the tables below it in the same section.
    """

    header: TableLine
    rule: tuple[TableLine, ...]
    top: int
    entries: tuple[TableRow, ...]
    further: tuple[TableRow, ...] = ()

    @property
    def has_pull_request(self) -> bool:
        """Returns whether the table has a column for the pull request."""
        return _has_pull_request(self.header)


def find_table(lines: Sequence[str], section: str | None) -> Table:
    """Returns the first changelog table below the heading `section`, by default the one named Changelog.

    Of several such headings, those with no other word come first; those without a table are ignored.

    Raises EditRefused if there is none, or if there is no such heading and more than one table.
    """
    prose = list(_shown(lines))
    sections = _sections(prose, section)
    under = next((one for one in sections if any(_is_header(prose[number]) for number in one)), sections[0])
    headers = [number for number in under if _is_header(prose[number])]
    if not headers:
        where = f"below the heading {section!r}" if section else "below its Changelog heading" if under.start else ""
        raise EditRefused(
            f"the page has no changelog table {where}".rstrip(),
            advice="add a table with the header | Version | Date | Pull Request | Subject |",
            error_id="changelog-missing",
        )
    if len(headers) > 1 and not under.start:
        raise EditRefused(
            f"the page has {len(headers)} changelog tables and no Changelog heading",
            advice="put the heading `## Changelog` above the table to use",
            error_id="changelog-missing",
        )
    first, *others = (_table(prose, number, under.stop) for number in headers)
    return replace(first, further=tuple(entry for table in others for entry in table.entries))


def _table(prose: Sequence[str], number: int, stop: int) -> Table:
    header, *below = (markdown_table.parse(line) for line in prose[number : min(number + 2, stop)])
    rule = tuple(line for line in below if line and markdown_table.is_delimiter(str(line)))
    top = number + 1 + len(rule)
    found = header or TableLine(())
    entries = _entries(prose, top, stop, has_pull_request=_has_pull_request(found))
    return Table(found, rule, top, tuple(entries))


def _shown(lines: Sequence[str]) -> Iterator[str]:
    """Returns the lines with headings and tables in code blocks and comments blanked out."""
    fence = ""
    is_comment = False
    for line in lines:
        mark = _FENCE.match(line)
        is_comment = is_comment or (not fence and _COMMENT.match(line) is not None)
        if is_comment:
            yield ""
            is_comment = "-->" not in line
        elif fence:
            yield ""
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        else:
            fence = mark[1] if mark else ""
            yield "" if mark else line


def _sections(prose: Sequence[str], section: str | None) -> list[range]:
    """Returns the line numbers below each candidate heading up to the next of its rank, the likeliest first.

    Returns all lines if there is no heading.
    """
    headings = [(number, found) for number, line in enumerate(prose) if (found := _HEADING.fullmatch(line))]
    exact: list[range] = []
    others: list[range] = []
    for index, (start, heading) in enumerate(headings):
        title = heading_text(heading[2])
        if _is_named(title, section):
            below = (at for at, found in headings[index + 1 :] if len(found[1]) <= len(heading[1]))
            is_exact = re.fullmatch(r"\W*change ?log\W*", _plain(title)) is not None
            (exact if is_exact else others).append(range(start + 1, next(below, len(prose))))
    if section is not None and not exact and not others:
        raise EditRefused(f"the page has no heading {section!r}")
    return [*exact, *others] or [range(len(prose))]


def heading_text(text: str) -> str:
    """Returns the text of a heading without closing number signs."""
    return text.rstrip(" \t").rstrip("#").rstrip(" \t")


def _is_named(title: str, section: str | None) -> bool:
    plain = _plain(title)
    return plain == _plain(section) if section is not None else re.search(r"change ?log", plain) is not None


def _is_header(text: str) -> bool:
    line = markdown_table.parse(text)
    if line is None or _plain(line.cells[0]) not in _VERSION_COLUMN:  # most rows
        return False
    return any(
        len(line.cells) >= len(columns)
        and all(_plain(cell) in names for cell, names in zip(line.cells, columns, strict=False))
        for columns in _COLUMNS
    )


def _has_pull_request(header: TableLine) -> bool:
    return len(header.cells) < 3 or _plain(header.cells[2]) in _PULL_REQUEST_COLUMN


def _entries(prose: Sequence[str], top: int, stop: int, *, has_pull_request: bool) -> Iterator[TableRow]:
    for number in range(top, stop):
        line = markdown_table.parse(prose[number])
        if line is None:
            # Markdown ends the table here, but some pages have more rows below a blank line; they are included.
            if prose[number].strip() or not (number + 1 < stop and _starts_with_version(prose[number + 1])):
                return
        elif not markdown_table.is_delimiter(prose[number]):
            version = _VERSION.fullmatch(line.cells[0])
            yield TableRow(number, line, version[1] if version else "", has_pull_request)


def _starts_with_version(text: str) -> bool:
    line = markdown_table.parse(text)
    return line is not None and _VERSION.fullmatch(line.cells[0]) is not None


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[`*_~]", "", text).lower().split())
