"""The changelog table of a documentation page: reads its rows and adds a row."""

import re
from dataclasses import dataclass
from datetime import date as calendar_date
from functools import cmp_to_key
from unicodedata import category

from airbyte_ci.edits.changelog_table import Table, TableRow, find_table
from airbyte_ci.edits.markdown_table import TableLine, agreed, escaped, like
from airbyte_ci.edits.pull_request_form import pull_request_form
from airbyte_ci.edits.versions import compare, is_semver
from airbyte_ci.errors import EditRefused

# This many rows show the layout of a table.
_NEAR = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One entry: version, ISO date, pull request by number (or a placeholder), and the change.

    The pull request is empty in a table without a column for it.
    """

    version: str
    date: str
    pull_request: int | str
    subject: str


def rows(page: str, *, section: str | None = None) -> list[Row]:
    """Returns the rows of the page's changelog in order; returns a cell that cannot be parsed unchanged.

    Raises EditRefused if the page has no changelog table.
    """
    return [_row(entry) for entry in find_table(_lines(page), section).entries]


def has_row(page: str, version: str, *, section: str | None = None) -> bool:
    """Returns whether the page's changelog has a row for exactly that version; False without a changelog."""
    try:
        return any(row.version == version for row in rows(page, section=section))
    except EditRefused:
        return False


def is_subject(text: str) -> bool:
    """Returns whether the text is one non-empty line."""
    return bool(text.strip()) and not any(category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text)


def insert_row(page: str, row: Row, *, default_url: str | None, section: str | None = None) -> str:
    """Returns the page with the row added at the top of the rows, in the layout of the newest one.

    The row refers to its pull request like the newest rows; else by `default_url`, which contains `{number}`; else by
    its number. In a table without a column for the pull request, it does not refer to it. A page that has the row is
    returned unchanged. Raises EditRefused if the page has no changelog table, or has the version for another pull
    request or a newer version (also in a table below the first), or if the order of its rows is unclear.
    """
    _check(row)
    table = find_table(_lines(page), section)
    same = [entry for entry in (*table.entries, *table.further) if entry.version == row.version]
    if any(_is_of(entry, row) for entry in same):
        return page
    if same:
        raise EditRefused(
            f"the changelog has {row.version} already, for {_describe(same[0])}",
            advice="bump the version, or use the number of that pull request"
            if table.has_pull_request
            else "bump the version, or use the text of that change",
        )
    ordered = _newest_first(table.entries, row.version)
    _refuse_newer_below(ordered, table.further)
    is_ascending = ordered != table.entries
    at = table.entries[-1].number + 1 if is_ascending else table.top
    line = _line(row, table, ordered, default_url)
    result = _with_line(page, at, str(line))
    # Proof: the old rows are unchanged, and the new row reads back correctly.
    expected = [entry.line for entry in table.entries]
    expected.insert(len(expected) if is_ascending else 0, line)
    if [entry.line for entry in find_table(_lines(result), section).entries] != expected:
        raise EditRefused("the changelog row cannot be written without changing its text", advice="add the row by hand")
    return result


def _with_line(page: str, at: int, line: str) -> str:
    lines = re.findall(r"[^\n]*\n|[^\n]+", page)
    head, tail = "".join(lines[:at]), "".join(lines[at:])
    if head.endswith("\n"):
        return head + line + ("\r\n" if head.endswith("\r\n") else "\n") + tail
    # The table ends a page without a final newline, which stays missing.
    return head + ("\r\n" if "\r\n" in head else "\n") + line


def _newest_first(entries: tuple[TableRow, ...], version: str) -> tuple[TableRow, ...]:
    """Returns the rows, newest first. Raises EditRefused if their order is unclear or one is newer than the new row."""
    known = [entry.version for entry in entries if is_semver(entry.version)]
    if not known:
        if entries:
            raise EditRefused("no row of the changelog has a version, so its order is unknown")
        return ()
    newest = max(known, key=cmp_to_key(compare))
    if compare(newest, version) >= 0:
        raise EditRefused(f"the changelog has {newest}, which is not older than {version}")
    if known[0] == newest:
        return entries
    if known[-1] == newest:
        return entries[::-1]
    raise EditRefused(
        f"the newest row of the changelog, {newest}, is neither its first nor its last",
        advice="put its rows in order",
    )


def _refuse_newer_below(ordered: tuple[TableRow, ...], further: tuple[TableRow, ...]) -> None:
    """If a table below has newer rows, raises EditRefused, because either table could be the current one."""
    newest = next((entry.version for entry in ordered if is_semver(entry.version)), None)
    for entry in further:
        if is_semver(entry.version) and (newest is None or compare(entry.version, newest) > 0):
            raise EditRefused(
                f"the changelog has several tables, and {entry.version} is not in the first of them",
                advice="put the newest rows into the first table",
            )


def _line(row: Row, table: Table, ordered: tuple[TableRow, ...], default_url: str | None) -> TableLine:
    newest = ordered[0] if ordered else None
    version = f"`{row.version}`" if newest and newest.text(0).startswith("`") else row.version
    reference = [_reference(row.pull_request, ordered, default_url)] if table.has_pull_request else []
    texts = [version, row.date, *reference, escaped(row.subject.strip())]
    texts += [""] * (len(table.header.cells) - len(texts))
    return like(texts, _neighbours(table, ordered))


def _neighbours(table: Table, ordered: tuple[TableRow, ...]) -> tuple[TableLine, ...]:
    """Returns the lines whose layout is used: the newest row and the header.

    If the newest row is not padded like the header, but the rule and most of the next rows are, the newest row is an
    exception.
    """
    if not ordered:
        return (table.header, *table.rule)
    frame = (table.header, *table.rule)
    near = [entry.line for entry in ordered[:_NEAR]]
    padded = [line for line in near if agreed((line, *frame)) > 1]
    if agreed((near[0], table.header)) < 2 and len(padded) * 2 >= len(near) > 1:
        return (padded[0], *frame)
    return (near[0], table.header)


def _reference(pull_request: int | str, ordered: tuple[TableRow, ...], default_url: str | None) -> str:
    """Returns the pull request in the form of the newest rows: a link of one of them, then a number without a link."""
    forms = [form for entry in ordered if (form := pull_request_form(entry.pull_request))]
    near = [form for entry in ordered[:_NEAR] if (form := pull_request_form(entry.pull_request))]
    for rows in (near, forms):
        form = next((item for item in rows if item.is_link), next(iter(rows), None))
        if form:
            return form.with_number(str(pull_request))
    number = str(pull_request)
    return f"[{number}]({default_url.replace('{number}', number)})" if default_url else number


def _row(entry: TableRow) -> Row:
    cell = entry.pull_request
    form = pull_request_form(cell)
    return Row(entry.version or entry.text(0), entry.text(1), form.number if form else cell, entry.subject)


def _is_of(entry: TableRow, row: Row) -> bool:
    """Returns whether the entry of the same version is this row: its pull request decides, or else its text."""
    if entry.has_pull_request:
        return _mentions(entry.pull_request, row.pull_request)
    return entry.subject == escaped(row.subject.strip())


def _describe(entry: TableRow) -> str:
    if entry.has_pull_request:
        return entry.pull_request or "no pull request"
    return f"another change ({entry.subject})"


def _mentions(cell: str, pull_request: int | str) -> bool:
    return re.search(rf"(?<!\w){re.escape(str(pull_request))}(?!\w)", cell) is not None


def _check(row: Row) -> None:
    """Raises EditRefused for a row that would not be one line or would not read back as itself."""
    if not is_semver(row.version):
        raise EditRefused(f"{row.version!r} is not a semantic version, so no changelog row can be written for it")
    try:
        is_iso = calendar_date.fromisoformat(row.date).isoformat() == row.date
    except ValueError:
        is_iso = False
    if not is_iso:
        raise EditRefused(f"{row.date!r} is not a date; write it as YYYY-MM-DD")
    if not re.fullmatch(r"[\w*./-]+", str(row.pull_request)):
        raise EditRefused(f"{row.pull_request!r} is not the number of a pull request")
    if not is_subject(row.subject):
        raise EditRefused(f"the changelog text must be one line of text, not {row.subject!r}")


def _lines(page: str) -> list[str]:
    return [line.rstrip("\r") for line in page.split("\n")]
