"""The page of the differences of two base images."""

from collections.abc import Iterator, Sequence

from airbyte_ci.base_images.inspection.difference import ChangedItem, Difference
from airbyte_ci.base_images.inspection.osv import Comparison
from airbyte_ci.base_images.inspection.osv_database import Vulnerability
from airbyte_ci.reports import base_images_diff
from airbyte_ci.reports.page import render
from airbyte_ci.reports.page.blocks import (
    Bar,
    Block,
    Code,
    Column,
    DataRow,
    DataTable,
    Fold,
    Mark,
    Page,
    Paragraph,
    Section,
    State,
    Tile,
)

# So many files are listed; `--format json` has all.
_MOST_FILES = 1_000


def html(found: Difference, known: Comparison | None) -> str:
    """Returns the page: sizes, every changed part of the image, files, and vulnerabilities if they are known."""
    sections = [Section("Sizes", (_sizes(found),))]
    sections += [Section(_title(name), (_changes(name, items),)) for name, items in base_images_diff.sections(found)]
    if found.files:
        sections.append(Section("Files", (_files(found.files),)))
    if known:
        sections.append(Section("Vulnerabilities", tuple(_vulnerabilities(known))))
    subtitle = f"{found.before} → {found.after}"
    return render.page(Page("Differences of base images", subtitle, tuple(_tiles(found, known)), tuple(sections)))


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]


def _tiles(found: Difference, known: Comparison | None) -> Iterator[Tile]:
    change = found.size_after - found.size_before
    yield Tile("compressed", f"{'+' if change >= 0 else '−'}{abs(change) / 1e6:.1f} MB")
    if found.is_empty:
        yield Tile("the images are equal", "0", "ok")
    for name, items in base_images_diff.sections(found):
        yield Tile(f"changes: {name}", str(len(items)))
    if found.files:
        yield Tile("changes: files", f"{len(found.files):,}")
    if known:
        yield Tile("vulnerabilities fixed", str(len(known.fixed)), "ok")
        yield Tile("vulnerabilities introduced", str(len(known.introduced)), "failed" if known.introduced else "ok")


def _sizes(found: Difference) -> DataTable:
    rows = []
    for name, side, size in ((found.before, "-", found.size_before), (found.after, "+", found.size_after)):
        own = sum(layer.size for layer in found.layers if layer.side == side)
        values = round((size - own) / 1e6, 2), round(own / 1e6, 2)
        rows.append(DataRow((name, Bar(values, f"{size / 1e6:.1f} MB"))))
    columns = (Column("Image"), Column("Compressed layers", series=("in both images", "only here"), unit="MB"))
    return DataTable("Layers that both images have, and others", columns, tuple(rows))


def _changes(name: str, items: Sequence[ChangedItem]) -> DataTable:
    columns = tuple(map(Column, ("Name", "Change", "Before", "After")))
    rows = tuple(
        DataRow((item.name, _mark(item), item.before or "–", item.after or "–")) for item in _removed_first(items)
    )
    return DataTable(f"Changes: {name}", columns, rows)


def _removed_first(items: Sequence[ChangedItem]) -> list[ChangedItem]:
    return sorted(items, key=lambda item: (bool(item.after), not item.before))


def _mark(item: ChangedItem) -> Mark:
    if not item.before:
        return Mark("info", "added")
    return Mark("info", "changed") if item.after else Mark("warning", "removed")


def _files(items: Sequence[ChangedItem]) -> Block:
    rows = tuple(DataRow((Code(f"/{item.name}"), _mark(item))) for item in _removed_first(items)[:_MOST_FILES])
    table = DataTable("Changed files", (Column("Path"), Column("Change")), rows)
    rest = len(items) - len(rows)
    more = (Paragraph(f"{rest:,} more files are in the output of --format=json."),) if rest > 0 else ()
    return Fold(f"{len(items):,} files", (table, *more))


def _vulnerabilities(known: Comparison) -> Iterator[Block]:
    columns = tuple(map(Column, ("Advisory", "Result", "Severity", "Package", "Version", "Fixed in")))
    groups: tuple[tuple[str, State, Sequence[Vulnerability]], ...] = (
        ("introduced", "failed", known.introduced),
        ("left", "warning", known.left),
        ("fixed", "ok", known.fixed),
    )
    rows = tuple(
        DataRow(
            (item.name, Mark(state, name), str(item.severity or "–"), item.package, item.version, item.fixed or "–")
        )
        for name, state, items in groups
        for item in items
    )
    if rows:
        yield DataTable("Vulnerabilities, introduced ones first", columns, rows)
    yield from (Paragraph(f"Not inspected: {item}") for item in known.unseen)
