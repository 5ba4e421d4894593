"""The geometry of bars and lines, in whole numbers of a fixed width: the same values have the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from airbyte_ci.reports.page.blocks import Bar, Column, DataRow, Point

WIDTH = 160
HEIGHT = 48
# Colors of series repeat after this many; the stylesheet has one rule for each.
COLORS = 8
BLUE, GREEN, GRAY, RED = 0, 2, 4, 5


@dataclass(frozen=True, slots=True)
class BarPart:
    """A part of a bar: its color's number, start and width."""

    color: int
    start: int
    width: int


def scale(rows: Sequence[DataRow], column: int) -> float:
    """Returns the longest bar of a column, which is as wide as the column's drawing."""
    totals = [_total(cell) for row in rows if isinstance(cell := row.cells[column], Bar)]
    return max(totals, default=0.0)


def colors(column: Column) -> Sequence[int]:
    """Returns the color of each series of the column."""
    return column.colors or [position % COLORS for position in range(len(column.series) or 1)]


def segments(bar: Bar, column: Column, longest: float) -> list[BarPart]:
    """Returns the visible parts of a bar. A value above zero has at least one unit of width."""
    result: list[BarPart] = []
    start = 0
    for color, value in zip(colors(column), bar.values, strict=True):
        if value <= 0 or longest <= 0 or start >= WIDTH:
            continue
        width = min(max(round(value / longest * WIDTH), 1), WIDTH - start)
        result.append(BarPart(color, start, width))
        start += width
    return result


def described(bar: Bar, series: Sequence[str], unit: str) -> str:
    """Returns the values of a bar as text: `build 1.2 s, unit 3.4 s`."""
    pairs = zip(series, bar.values, strict=False)
    return ", ".join(f"{name} {value:g}{f' {unit}' if unit else ''}" for name, value in pairs if value > 0)


def line(points: Sequence[Point]) -> str:
    """Returns the points of an SVG polyline, from zero to the largest value."""
    top = max((point.value for point in points), default=0) or 1
    step = WIDTH / max(len(points) - 1, 1)
    return " ".join(
        f"{round(position * step)},{round(HEIGHT - max(point.value, 0) / top * HEIGHT)}"
        for position, point in enumerate(points)
    )


def _total(bar: Bar) -> float:
    return sum(value for value in bar.values if value > 0)
