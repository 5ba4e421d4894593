"""Cached release notes of a base image: each build reads them, and they change rarely.

Fast to import; reads the catalog only when the catalog, the address or the date has changed.
"""

import datetime
from pathlib import Path
from typing import Any

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.records import dataclass

FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True)
class Noted:
    """The warning (empty: none), and whether it says that the base image was yanked."""

    text: str
    yanked: bool


def standing_of(store: Store, path: Path, address: str, today: datetime.date) -> Noted:
    """Returns `standing.warning` for the catalog at `path` and the shipped one."""
    shipped = Path(__file__).with_name("catalog.yaml").read_bytes()
    own = path.read_bytes() if path.is_file() else b""
    inputs = {"catalogs": [str(Digest.of(text)) for text in (shipped, own)], "address": address, "day": str(today)}

    def make() -> dict[str, Any]:
        from airbyte_ci.base_images.catalog import catalog, standing

        versions = catalog.load(path)
        version = versions.find(address)
        text = standing.warning(versions, address, today)
        return {"text": text, "yanked": bool(version and version.withdrawal)}

    known = store.reuse("standing", FORMAT_VERSION, inputs, make)
    return Noted(str(known["text"]), bool(known["yanked"]))
