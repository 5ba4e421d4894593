"""The page of a fleet: who is on which base image, how far behind, and what the images share."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from airbyte_ci.images.stored_layers import StoredLayer
from airbyte_ci.reports import listing
from airbyte_ci.reports.listing import ListingRow
from airbyte_ci.reports.page import render
from airbyte_ci.reports.page.blocks import (
    Bar,
    Block,
    Cell,
    Code,
    Column,
    DataRow,
    DataTable,
    Mark,
    Number,
    Page,
    Paragraph,
    Section,
    State,
    Tile,
    rank,
)

Layers = Mapping[str, Sequence[StoredLayer]]
"""The layers of each connector's image by the connector's name, if the store has one."""

_PARTS = ("base image", "shared with others", "its own")
# So many layers are listed; more are in the JSON of the store.
_MOST_LAYERS = 25
_DIGEST = len("sha256:") + 12


def html(rows: Sequence[ListingRow], total: int, layers: Layers) -> str:
    """Returns the page. `layers` are those of the images in this machine's store; without any, sizes are left out."""
    users = _users(layers)
    connectors = _connectors(rows, layers, users)
    sections = [Section("Base images", (_versions(rows),)), Section("Connectors", (connectors,))]
    if layers:
        sections.append(Section("Layers", tuple(_shared(layers, users))))
    return render.page(Page("Fleet of connectors", listing.count(rows, total), tuple(_tiles(rows)), tuple(sections)))


def _tiles(rows: Sequence[ListingRow]) -> Iterator[Tile]:
    yield Tile("connector" if len(rows) == 1 else "connectors", str(len(rows)))
    yield Tile("on a base image", str(sum(row.is_migrated for row in rows)))
    counts: tuple[tuple[str, int, State], ...] = (
        ("up to date", sum(row.is_up_to_date for row in rows), "ok"),
        ("behind", sum(_behind(row) > 0 for row in rows), "warning"),
        ("to migrate", sum(row.is_to_migrate for row in rows), "warning"),
        ("on a yanked version", sum(row.state.startswith("yanked") for row in rows), "failed"),
    )
    yield from (Tile(label, str(number), state) for label, number, state in counts if number)


def _state(row: ListingRow) -> State:
    if row.state == "latest":
        return "ok"
    if row.state.startswith("yanked"):
        return "failed"
    if row.state == "unknown language":
        return "skipped"
    return "unverified" if row.state.startswith("unknown") else "warning"


def _behind(row: ListingRow) -> int:
    number = (row.base() or {}).get("behind")
    return number if isinstance(number, int) and "behind" in row.state else 0


def _versions(rows: Sequence[ListingRow]) -> DataTable:
    """Returns how many connectors are on each version, the most used first."""
    counts = Counter(row.base_name for row in rows if row.base_image)
    worst: dict[str, tuple[State, str]] = {}
    for row in rows:
        if row.base_image:
            found = _state(row), row.state.removesuffix(" + Dockerfile")
            worst[row.base_name] = min(worst.get(row.base_name, found), found, key=lambda pair: rank(pair[0]))
    columns = (Column("Base image"), Column("State"), Column("Connectors", series=("connectors",)))
    lines = [
        DataRow((name, Mark(*worst[name]), Bar((number,), str(number))))
        for name, number in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    without = sum(not row.base_image for row in rows)
    if without:
        lines.append(DataRow(("no base image", Mark("warning", "not migrated"), Bar((without,), str(without)))))
    return DataTable("Versions in use, the most used first", columns, tuple(lines))


def _connectors(rows: Sequence[ListingRow], layers: Layers, users: Counter[str]) -> DataTable:
    columns = (
        Column("Connector"),
        Column("Language"),
        Column("Level"),
        Column("Version"),
        Column("Base image"),
        Column("State"),
        Column("Behind", is_number=True),
        *([Column("Image, compressed", series=_PARTS, unit="MB")] if layers else []),
    )
    ordered = sorted(rows, key=lambda row: (rank(_state(row)), -_behind(row), row.name))
    lines = []
    for row in ordered:
        behind = _behind(row)
        cells: list[Cell] = [
            row.name,
            row.language or "–",
            row.support_level or "–",
            row.version or "–",
            row.base_name,
            Mark(_state(row), row.state),
            Number(behind, str(behind) if behind else "–"),
        ]
        if layers:
            cells.append(_size(layers.get(row.name, ()), users))
        lines.append(DataRow(tuple(cells)))
    return DataTable("Connectors, those that need work first", columns, tuple(lines))


def _size(layers: Sequence[StoredLayer], users: Counter[str]) -> Cell:
    if not layers:
        return "–"
    sizes = [0, 0, 0]
    for layer in layers:
        place = 0 if layer.origin == "base image" else 1 if users[str(layer.digest)] > 1 else 2
        sizes[place] += layer.size
    return Bar(tuple(round(size / 1e6, 2) for size in sizes), f"{sum(sizes) / 1e6:.1f} MB")


def _users(layers: Layers) -> Counter[str]:
    """Returns how many images have each layer."""
    return Counter(str(digest) for held in layers.values() for digest in {layer.digest for layer in held})


def _shared(layers: Layers, users: Counter[str]) -> Iterator[Block]:
    every = {str(layer.digest): layer for held in layers.values() for layer in held}
    apart = sum(users[digest] * layer.size for digest, layer in every.items())
    kept = sum(layer.size for layer in every.values())
    yield Paragraph(
        f"The {len(layers)} images in this store need {kept / 1e6:.0f} MB. Without shared layers, they would need "
        f"{apart / 1e6:.0f} MB."
    )
    columns = (
        Column("Layer"),
        Column("Origin"),
        Column("Images", is_number=True),
        Column("Size", is_number=True),
        Column("Saved by sharing", series=("saved",), unit="MB"),
    )
    ordered = sorted(every.items(), key=lambda item: (-_saved(item, users), -item[1].size, item[0]))
    lines = tuple(_layer(item, users) for item in ordered[:_MOST_LAYERS])
    rest = len(ordered) - len(lines)
    more = f"; {rest} more are not listed" if rest else ""
    yield DataTable(f"Layers that save the most, first{more}", columns, lines)


def _saved(item: tuple[str, StoredLayer], users: Counter[str]) -> int:
    return (users[item[0]] - 1) * item[1].size


def _layer(item: tuple[str, StoredLayer], users: Counter[str]) -> DataRow:
    digest, layer = item
    saved = _saved(item, users) / 1e6
    return DataRow(
        (
            Code(digest[:_DIGEST]),
            layer.origin,
            Number(users[digest], str(users[digest])),
            Number(layer.size, f"{layer.size / 1e6:.1f} MB"),
            Bar((round(saved, 2),), f"{saved:.1f} MB"),
        )
    )
