"""Text in columns: rows → lines. A table library would take longer to import than the fleet takes to read."""

from collections.abc import Callable, Sequence

from airbyte_ci.text import CELL_LIMIT, escape, join_lines

Paint = Callable[[str], str]
_GAP = "  "
# No column is cut to less.
_LEAST = 12


def lines(
    rows: Sequence[Sequence[str]],
    paint: Callable[[int, int], Paint | None] | None = None,
    *,
    width: int | None = None,
    drop: Sequence[int] = (),
    shorten: Sequence[int] = (),
) -> str:
    """Returns the rows with aligned columns.

    `paint` may give a style for the cell (row, column); widths do not see it. Where the rows are wider than `width`,
    the columns of `drop` are left out, the first one first, and then those of `shorten` are cut, the first one first.
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


def _cut(cell: str, room: int) -> str:
    """A text in so many columns: its beginning and its end, which of an image's name is the version."""
    if len(cell) <= room:
        return cell
    end = room // 3
    return f"{cell[: room - 1 - end]}…{cell[len(cell) - end :]}"


def _narrow(widths: dict[int, int], limit: int | None, drop: Sequence[int], shorten: Sequence[int]) -> None:
    """Takes columns out of the widths, or makes them narrower, until all of them fit."""

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
