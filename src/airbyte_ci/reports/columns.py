"""Text in columns: rows → lines. A table library would take longer to import than the fleet takes to read."""

from collections.abc import Callable, Sequence

from airbyte_ci.text import CELL_LIMIT, escape, join_lines

Paint = Callable[[str], str]


def lines(rows: Sequence[Sequence[str]], paint: Callable[[int, int], Paint | None] | None = None) -> str:
    """The rows with aligned columns. `paint` may give a style for the cell (row, column); widths do not see it."""
    rows = [[escape(cell, CELL_LIMIT) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = []
    for position, row in enumerate(rows):
        cells = []
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            style = paint(position, column) if paint else None
            padding = " " * (width - len(cell)) if column < len(row) - 1 else ""
            cells.append((style(cell) if style else cell) + padding)
        text.append("  ".join(cells).rstrip())
    return join_lines(text)
