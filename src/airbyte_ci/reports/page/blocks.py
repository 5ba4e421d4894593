"""The parts of a page as values. Texts are plain: rendering escapes and truncates them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["failed", "warning", "unverified", "skipped", "ok", "info"]
"""What a mark, a tile or a fold stands for. `info` is neither good nor bad."""

_RANKS: dict[State, int] = {"failed": 0, "warning": 1, "unverified": 2, "skipped": 3, "info": 4, "ok": 5}


def rank(state: State) -> int:
    """Returns a sort key that puts the worst state first."""
    return _RANKS[state]


@dataclass(frozen=True, slots=True)
class Mark:
    """A state as a shape and a word. If it is `short`, only the shape is visible, and the word is read out."""

    state: State
    text: str = ""
    is_short: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A value to sort by, and its text with the unit."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """A command, path, digest or other literal text."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link to an https address, or to a section or fold of the page (`#anchor`). Other addresses are not linked."""

    text: str
    address: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A stacked bar: values in the order of the column's series, and the text next to it, such as the total."""

    values: tuple[float, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Several:
    """Several cells in one, below each other."""

    cells: tuple[str | Mark | Number | Code | Link, ...]


Cell = str | Mark | Number | Code | Link | Bar | Several


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column. A column of bars names its series, the unit of its values, and perhaps its colors.

    Without `colors`, the numbers of the stylesheet's colors, the series have the first ones.
    """

    title: str
    is_number: bool = False
    series: tuple[str, ...] = ()
    unit: str = ""
    colors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DataRow:
    """The cells of a row, one for each column."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table with its caption. The first cell of each row is the row's head."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[DataRow, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values, one below the other. Texts may be longer than in a table."""

    items: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a history: its label, such as a date or version, and its text with the unit."""

    label: str
    value: float
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """A line of values over time, the oldest first."""

    caption: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """Output of several lines, without its colors. Of a long one, the begin and the end are shown."""

    text: str


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks below a line that opens and closes them; `anchor` is the target of links."""

    title: str
    blocks: tuple[Block, ...]
    state: State | None = None
    is_open: bool = False
    anchor: str = ""


Block = Paragraph | Facts | DataTable | History | Log | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its blocks."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the summary: `5 failed`. A state adds its shape."""

    label: str
    value: str
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page. `note` is below everything, for what a reader must know about the data, such as its date."""

    title: str
    subtitle: str = ""
    tiles: tuple[Tile, ...] = ()
    sections: tuple[Section, ...] = ()
    note: str = ""
