"""What a builder should know of a base image, as it was told before: each build asks, and seldom is there anything new.

Light to import; the catalogue is read only when it, the address or the day is another.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store import Store, action_key

FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True)
class Noted:
    """What to tell, empty for nothing, and whether it is that the base was yanked."""

    text: str
    yanked: bool


def standing_of(store: Store, path: Path, address: str, today: datetime.date) -> Noted:
    """`standing.warning` by the catalogue at `path` and the shipped one."""
    shipped = Path(__file__).with_name("catalogue.yaml").read_bytes()
    own = path.read_bytes() if path.is_file() else b""
    inputs = {"catalogues": [str(Digest.of(text)) for text in (shipped, own)], "address": address, "day": str(today)}
    key = action_key("standing", FORMAT_VERSION, inputs)
    known = store.recall(key)
    if known is None:
        from airbyte_ci.base_images import catalogue, standing

        versions = catalogue.load(path)
        version = versions.find(address)
        known = {
            "text": standing.warning(versions, address, today),
            "yanked": bool(version and version.withdrawal),
        }
        store.remember(key, known)
    return Noted(str(known["text"]), bool(known["yanked"]))
