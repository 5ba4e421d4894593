"""The listing of a fleet: connectors and a catalogue → rows, a table, JSON."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from click import style

from airbyte_ci.base_images.catalogue import Catalogue
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.reference import Reference
from airbyte_ci.reports import columns


@dataclass(frozen=True, slots=True)
class Row:
    """One connector as `list` shows it."""

    name: str
    language: str | None
    support_level: str | None
    version: str
    folder: str
    base_image: str | None
    state: str
    is_python: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "language": self.language,
            "supportLevel": self.support_level,
            "version": self.version,
            "folder": self.folder,
            "baseImage": self.base_image,
            "state": self.state,
        }


def row(connector: Connector, catalogue: Catalogue) -> Row:
    return Row(
        connector.name,
        connector.language,
        connector.support_level,
        connector.version,
        connector.relative,
        connector.base_image,
        _state(connector, catalogue),
        connector.is_python,
    )


def _state(connector: Connector, catalogue: Catalogue) -> str:
    if connector.base_image is None:
        if not connector.is_python:
            return "not Python"
        return "Dockerfile" if connector.has_dockerfile else "nothing to build on"
    leftover = " + Dockerfile" if connector.has_dockerfile else ""
    version = catalogue.find(connector.base_image)
    if version is None:
        return f"unknown base image{leftover}"
    if "@" not in connector.base_image:
        return f"no digest{leftover}"
    if version.yanked:
        return f"yanked{leftover}"
    behind = catalogue.behind(connector.base_image)
    return f"{f'{behind} behind' if behind else 'latest'}{leftover}"


def table(rows: Sequence[Row], total: int, *, color: bool) -> str:
    """The rows as people read them, and a line that counts."""
    if not rows:
        return count(rows, total) + "\n"
    cells = [("CONNECTOR", "LANGUAGE", "LEVEL", "VERSION", "BASE IMAGE", "STATE")]
    for item in rows:
        level, version = item.support_level or "–", item.version or "–"
        cells.append((item.name, item.language or "–", level, version, _short(item.base_image), item.state))

    def paint(row: int, column: int) -> columns.Paint | None:
        if row == 0:
            return functools.partial(style, bold=True)
        return functools.partial(style, fg=_color(rows[row - 1].state)) if column == len(cells[0]) - 1 else None

    return columns.lines(cells, paint if color else None) + count(rows, total) + "\n"


def count(rows: Sequence[Row], total: int) -> str:
    """`2 of 373 connectors · 1 on a base image · 1 to go`; only Python connectors can go."""
    on = sum(1 for item in rows if item.base_image)
    to_go = sum(1 for item in rows if item.is_python and not item.base_image)
    of = f"{len(rows)} of {total}" if len(rows) != total else str(total)
    return f"{of} connector{'s' if total != 1 else ''} · {on} on a base image · {to_go} to go"


def _short(address: str | None) -> str:
    if address is None:
        return "–"
    try:
        reference = Reference.parse(address)
    except ImageError:
        return address
    return f"{reference.name} {reference.tag or ''}".strip()


def _color(state: str) -> str:
    if state == "latest":
        return "green"
    return "bright_black" if state == "not Python" else "yellow"
