"""The listing of a fleet: connectors and a catalogue → rows, a table, JSON."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_ci.base_images.catalogue import Catalogue
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.reference import Reference


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


def table(rows: Sequence[Row], total: int, *, width: int, color: bool) -> str:
    """The rows as people read them, and a line that counts."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=True, header_style="bold")
    for title in ("CONNECTOR", "LANGUAGE", "LEVEL", "VERSION", "BASE IMAGE", "STATE"):
        shown.add_column(title, overflow="fold", no_wrap=title == "CONNECTOR")
    for item in rows:
        shown.add_row(
            item.name,
            item.language or "–",
            item.support_level or "–",
            item.version or "–",
            _short(item.base_image),
            f"[{_color(item.state)}]{item.state}[/]",
        )
    console = Console(width=width, force_terminal=color, no_color=not color, highlight=False, legacy_windows=False)
    with console.capture() as capture:
        if rows:
            console.print(shown)
    lines = "".join(line.rstrip() + "\n" for line in capture.get().splitlines())
    return lines + count(rows, total) + "\n"


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
    return "dim" if state == "not Python" else "yellow"


def terminal_width() -> int:
    """The terminal's width in columns; wide when the output goes elsewhere, so that nothing is folded."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 240
