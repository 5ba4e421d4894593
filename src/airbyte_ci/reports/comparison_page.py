"""The page of the comparison of two images."""

from collections.abc import Iterator, Mapping, Sequence

from airbyte_ci.attest.compare.comparison import FAILING, VERDICTS, FactRow, ImageComparison, Verdict
from airbyte_ci.attest.compare.kinds import KINDS
from airbyte_ci.reports import comparison
from airbyte_ci.reports.page import render
from airbyte_ci.reports.page.blocks import (
    Bar,
    Block,
    Cell,
    Code,
    Column,
    DataRow,
    DataTable,
    Fold,
    Mark,
    Number,
    Page,
    Paragraph,
    Section,
    State,
    Tile,
)

# So many rows of a kind are listed; `--json` has all.
_MOST = 1_000
_STATES: Mapping[Verdict, State] = {"lost": "failed", "unexplained": "warning", "expected": "info", "same": "ok"}


def html(found: ImageComparison) -> str:
    """Returns the page: the verdicts, sizes by origin, and every row that is not the same, the worst first."""
    failing = found.of(*FAILING)
    expected = found.of("expected")
    sections = []
    if found.notes:
        sections.append(Section("Notes", tuple(map(Paragraph, found.notes))))
    if failing:
        sections.append(Section("Lost or unexplained", tuple(_by_kind(failing, is_open=True))))
    if expected:
        sections.append(Section("Expected", tuple(_by_kind(expected, is_open=False))))
    sections.append(Section("Compared facts", (_counts(found),)))
    sections.append(Section("Sizes", (_sizes(found),)))
    subtitle = f"{found.old.name} → {found.new.name}"
    return render.page(Page("Comparison of images", subtitle, tuple(_tiles(found)), tuple(sections)))


def _tiles(found: ImageComparison) -> Iterator[Tile]:
    counts = found.counts
    for verdict in VERDICTS:
        state = _STATES[verdict] if counts[verdict] or verdict == "same" else "ok"
        yield Tile(verdict, f"{counts[verdict]:,}", state)
    change = found.new.size - found.old.size
    yield Tile("compressed", f"{'+' if change >= 0 else '−'}{abs(change) / 1e6:.1f} MB")
    if found.old.startup is not None and found.new.startup is not None:
        yield Tile("spec", f"{found.old.startup:.1f} s → {found.new.startup:.1f} s")


def _by_kind(rows: Sequence[FactRow], *, is_open: bool) -> Iterator[Block]:
    for kind in KINDS:
        items = comparison.fold([row for row in rows if row.kind == kind.id])
        if not items:
            continue
        number = sum(1 + item.below for item in items)
        title = f"{number:,} {kind.id if number == 1 else kind.plural}"
        columns = tuple(map(Column, ("Name", "Verdict", "Difference", "Reason")))
        shown = tuple(
            DataRow((_name(item.row, item.below), _mark(item.row), item.detail or "–", item.row.reason or "–"))
            for item in items[:_MOST]
        )
        rest = len(items) - len(shown)
        more = (Paragraph(f"{rest:,} more rows are in the output of --json."),) if rest > 0 else ()
        yield Fold(title, (DataTable(f"Different {kind.plural}", columns, shown), *more), is_open=is_open)


def _name(row: FactRow, below: int) -> Cell:
    name = f"/{row.name}" if row.kind == "file" else row.name
    return Code(f"{name} and {below:,} below it" if below else name)


def _mark(row: FactRow) -> Mark:
    return Mark(_STATES[row.verdict], row.verdict)


def _counts(found: ImageComparison) -> DataTable:
    columns = (Column("Kind"), *(Column(verdict, is_number=True) for verdict in VERDICTS))
    rows = []
    for kind in KINDS:
        verdicts = [row.verdict for row in found.rows if row.kind == kind.id]
        numbers = [verdicts.count(verdict) for verdict in VERDICTS]
        if verdicts:
            rows.append(DataRow((kind.plural, *(Number(number, f"{number:,}") for number in numbers))))
    return DataTable("Facts by kind and verdict", columns, tuple(rows))


def _sizes(found: ImageComparison) -> DataTable:
    names = tuple(dict.fromkeys((*found.old.origins, *found.new.origins)))
    rows = []
    for side in (found.old, found.new):
        values = tuple(round(side.origins.get(name, 0) / 1e6, 2) for name in names)
        rows.append(DataRow((side.name, Bar(values, f"{sum(values):,.1f} MB"))))
    columns = (Column("Image"), Column("Uncompressed files by origin", series=names, unit="MB"))
    return DataTable("Sizes by origin", columns, tuple(rows))
