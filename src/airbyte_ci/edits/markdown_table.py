"""Lines of Markdown tables (GitHub's flavor): cells and layout. Does not know a table's subject."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

# A backslash escapes the pipe, even in a code span: https://github.github.com/gfm/#example-200
_CELL = re.compile(r"(?:\\.|[^|\\]|\\$)*")
_DELIMITER = re.compile(r"[\s|:*-]*")


@dataclass(frozen=True, slots=True)
class TableLine:
    """One line of a table: its cells with surrounding spaces, and whether pipes begin and end it."""

    cells: tuple[str, ...]
    indent: str = ""
    opened: bool = True
    closed: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """Returns the cells without surrounding spaces."""
        return tuple(cell.strip() for cell in self.cells)

    @property
    def ends(self) -> tuple[int, ...]:
        """Returns the column at which each cell ends on a screen."""
        start = len(self.indent) + self.opened
        return tuple(end - 1 for end in accumulate((width(cell) + 1 for cell in self.cells), initial=start))[1:]

    def __str__(self) -> str:
        return self.indent + "|" * self.opened + "|".join(self.cells) + "|" * self.closed


def parse(text: str) -> TableLine | None:
    """Parses a line of a table; None if it has no pipe between or around cells."""
    if "|" not in text:  # most lines of a page
        return None
    body = text.strip()
    cells = _split(body)
    opened = len(cells) > 1 and cells[0] == ""
    closed = len(cells) > 1 and cells[-1] == ""
    inner = cells[opened : len(cells) - closed]
    if len(cells) < 2 or not inner:
        return None
    return TableLine(tuple(inner), text[: len(text) - len(text.lstrip())], opened, closed)


def is_delimiter(text: str) -> bool:
    """Returns whether the line is the rule between header and rows, including the unusual forms of real pages."""
    stripped = text.strip()
    return "-" in stripped and "|" in stripped and _DELIMITER.fullmatch(stripped) is not None


def like(texts: Sequence[str], neighbours: Sequence[TableLine]) -> TableLine:
    """Formats the texts as a line in the layout of its neighbors, of which the first is the nearest.

    The first columns are padded as far as all neighbors agree on their ends; a single neighbor may agree by chance.
    """
    nearest = neighbours[0]
    spaced = any(cell.startswith(" ") for cell in nearest.cells)
    cells = [f" {text} " if spaced else text for text in texts]
    if not nearest.opened:
        cells[0] = cells[0].removeprefix(" ")
    padded = agreed(neighbours)
    if len(neighbours) > 1 and padded > 1:
        for column, neighbour in enumerate(nearest.cells[: min(padded, len(cells))]):
            cells[column] += " " * (width(neighbour) - width(cells[column]))
    if not nearest.closed:
        cells[-1] = cells[-1].rstrip(" ")
    return TableLine(tuple(cells), nearest.indent, nearest.opened, nearest.closed)


def agreed(lines: Sequence[TableLine]) -> int:
    """Returns how many of the first columns end at the same place in all lines."""
    ends = zip(*(line.ends for line in lines), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, ends))


def width(text: str) -> int:
    """Returns how many columns of a terminal the text needs."""
    return len(text) if text.isascii() else sum(_char_width(char) for char in text)


def escaped(text: str) -> str:
    """Returns the text with its unescaped pipes escaped."""
    return re.sub(r"\\.|\|", lambda found: "\\|" if found[0] == "|" else found[0], text)


def _split(text: str) -> list[str]:
    cells, at = [], 0
    while at <= len(text):
        found = _CELL.match(text, at)
        end = found.end() if found else at
        cells.append(text[at:end])
        at = end + 1
    return cells


def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
