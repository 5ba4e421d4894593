"""Aligns text in columns. A table library would take longer to import than the fleet takes to read."""

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence

from airbyte_ci.text import CELL_LIMIT, escape, join_lines

Paint = Callable[[str], str]
_GAP = "  "
# The minimum width of a shortened column.
_LEAST = 12
# The number of names in front of a footnote.
_NAMED = 3


def lines(
    rows: Sequence[Sequence[str]],
    paint: Callable[[int, int], Paint | None] | None = None,
    *,
    width: int | None = None,
    drop: Sequence[int] = (),
    shorten: Sequence[int] = (),
) -> str:
    """Returns the rows with aligned columns.

    `paint` may return a style for the cell (row, column), which does not affect widths. If the rows exceed `width`, the
    columns of `drop` are removed in order, and then those of `shorten` are truncated in order.
    """
    rows = [[escape(cell, CELL_LIMIT) for cell in row] for row in rows]
    widths = {position: max(map(len, column)) for position, column in enumerate(zip(*rows, strict=True))}
    _narrow(widths, width, drop, shorten)
    last = max(widths)
    text = []
    for position, row in enumerate(rows):
        cells = []
        for column, room in widths.items():
            cell = _cut(row[column], room)
            style = paint(position, column) if paint else None
            padding = " " * (room - len(cell)) if column < last else ""
            cells.append((style(cell) if style else cell) + padding)
        text.append(_GAP.join(cells).rstrip())
    return join_lines(text)


def footnotes(table: str, texts: Iterable[tuple[str, str]], width: int | None) -> str:
    """Returns in full the texts that `table` truncates, each once with the names of its rows."""
    rows: dict[str, list[str]] = {}
    for name, text in texts:
        if text and escape(text, CELL_LIMIT) not in table:
            rows.setdefault(text, []).append(name)
    found = []
    for text, names in rows.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        line = escape(f"{', '.join(names[:_NAMED])}{more}: {text}")
        found += ["", *wrapped(line, width)]
    return join_lines(found) if found else ""


def wrapped(line: str, width: int | None) -> list[str]:
    """Returns a line as lines of at most `width` characters, the following ones indented."""
    return textwrap.wrap(line, width, subsequent_indent=_GAP, break_on_hyphens=False) if width else [line]


def without_name(name: str, text: str) -> str:
    """Returns a text without the name of its row at the beginning, such as `upgrading source-x: `."""
    return re.sub(rf"^([a-z]+ing {re.escape(name)}: |{re.escape(name)} )", "", text)


def _cut(cell: str, room: int) -> str:
    """Returns a text shortened to `room`; keeps the start and the end: the last word, often a version, if it fits."""
    if len(cell) <= room:
        return cell
    version = len(cell) - cell.rfind(" ") if " " in cell else room
    end = version if version <= room // 2 else room // 3
    return f"{cell[: room - 1 - end]}…{cell[len(cell) - end :]}"


def _narrow(widths: dict[int, int], limit: int | None, drop: Sequence[int], shorten: Sequence[int]) -> None:
    """Removes or narrows columns until all of them fit."""

    def excess() -> int:
        return sum(widths.values()) + len(_GAP) * (len(widths) - 1) - (limit or 0)

    if limit is None:
        return
    for column in drop:
        if excess() > 0:
            del widths[column]
    for column in shorten:
        if excess() > 0:
            widths[column] = max(min(widths[column], _LEAST), widths[column] - excess())
