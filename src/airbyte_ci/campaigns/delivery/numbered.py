"""The changelog rows that wait for the number of a pull request. Knows no GitHub."""

import dataclasses
from collections.abc import Iterable, Mapping

from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.connector_files import release
from airbyte_ci.edits import changelog
from airbyte_ci.edits.changelog import Row
from airbyte_ci.edits.edit import Edit
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import EditRefused


def numbered(
    changes: Iterable[Change], files: Files, number: int, url: str | None, earlier: Mapping[str, bytes]
) -> tuple[Change, ...]:
    """Returns the changes with their waiting rows written, each based on the previous one.

    `earlier` are the pages on the branch of a former run, by path: a row that exists there keeps its day. `url` is the
    template of pull requests. Raises EditRefused for a row that cannot be written exactly.
    """
    result = []
    for change in changes:
        filled = _filled(change, files, number, url, earlier) if change.row_waits else change
        files.record(filled.edit, outside="\0")
        result.append(filled)
    return tuple(result)


def pages(changes: Iterable[Change]) -> list[str]:
    """Returns the pages of waiting rows."""
    entries = (item.changelog for item in changes if item.row_waits)
    return sorted({entry.page for entry in entries if entry and entry.page})


def _filled(change: Change, files: Files, number: int, url: str | None, earlier: Mapping[str, bytes]) -> Change:
    entry = change.changelog
    if entry is None or entry.page is None:
        raise EditRefused(f"{change.connector} has no page for its changelog entry")
    day = _day(earlier.get(entry.page, b""), change.connector, entry.row.version, number) or entry.row.date
    row = dataclasses.replace(entry.row, pull_request=number, date=day)
    if files.read(entry.page) is None:
        raise EditRefused(f"{entry.page} is gone, so {change.connector} has no changelog", advice="run it again")
    written = release.edited(files, entry.page, lambda text: release.inserted(text, row, url, change.connector))
    return dataclasses.replace(
        change,
        edit=change.edit.combine(Edit.of([written])),
        changelog=dataclasses.replace(entry, row=row, is_written=True),
    )


def _day(page: bytes, name: str, version: str, number: int) -> str | None:
    text = page.decode("utf-8", "replace")
    try:
        rows: list[Row] = changelog.rows(text, section=release.section(text, name))
    except EditRefused:
        return None
    written = (str(number), "")  # empty in a table without a column for the pull request
    return next((row.date for row in rows if row.version == version and str(row.pull_request) in written), None)
