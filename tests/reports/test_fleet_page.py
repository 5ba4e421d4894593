"""The page of a fleet: base images by use, connectors by need, and layers by what they save."""

import html5lib

from airbyte_ci.images.stored_layers import StoredLayer
from airbyte_ci.oci.digest import Digest
from airbyte_ci.reports import fleet_page
from airbyte_ci.reports.listing import ListingRow


def _row(name: str, state: str, *, behind: int = 0, base: str | None = "a/base:1@sha256:" + "0" * 64) -> ListingRow:
    return ListingRow(
        name=name,
        language="python",
        support_level=None,
        version="1.0.0",
        folder=f"connectors/{name}",
        base_image=base,
        base_name="base 1" if base else "–",
        state=state,
        is_python=True,
        data={},
        base=lambda: {"behind": behind},
    )


def _tables(html: str) -> dict[str, list[list[str]]]:
    """The cells of each table's rows, by the first word of its caption."""
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    return {
        "".join(table.find("caption").itertext()).split()[0]: [
            ["".join(cell.itertext()).strip() for cell in row] for row in table.find("tbody")
        ]
        for table in tree.iter("table")
    }


ROWS = [
    _row("source-a", "latest"),
    _row("source-b", "2 behind", behind=2),
    _row("source-c", "7 behind", behind=7),
    _row("source-d", "yanked", behind=1),
    _row("source-e", "Dockerfile", base=None),
]


def test_connectors_that_need_work_come_first() -> None:
    """A yanked version, then the most versions behind, then what is not migrated; the summary counts each."""
    html = fleet_page.html(ROWS, 5, {})
    tables = _tables(html)
    assert [row[0] for row in tables["Connectors,"]] == ["source-d", "source-c", "source-b", "source-e", "source-a"]
    assert [(row[0], row[1]) for row in tables["Versions"]] == [
        ("base 1", "✗ yanked"),
        ("no base image", "! not migrated"),
    ]
    assert "Layers" not in tables


def test_layers_are_listed_by_what_sharing_them_saves() -> None:
    """A layer of three images saves twice its size; a connector's bar divides base, shared and own layers."""
    base, shared, own = (Digest.of(name.encode()) for name in ("base", "shared", "own"))
    layers = {
        "source-a": (StoredLayer(base, 10_000_000, "base image"), StoredLayer(shared, 30_000_000, "packages")),
        "source-b": (StoredLayer(base, 10_000_000, "base image"), StoredLayer(own, 50_000_000, "packages")),
        "source-c": (StoredLayer(base, 10_000_000, "base image"), StoredLayer(shared, 30_000_000, "packages")),
    }
    html = fleet_page.html(ROWS, 5, layers)
    rows = _tables(html)["Layers"]
    assert [(row[0], row[2]) for row in rows] == [
        (str(item)[:19], str(n)) for item, n in ((shared, 2), (base, 3), (own, 1))
    ]
    assert "need 90 MB. Without shared layers, they would need 140 MB." in html
    assert "base image 10 MB, its own 50 MB" in html and "base image 10 MB, shared with others 30 MB" in html
