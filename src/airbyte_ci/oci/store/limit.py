"""The size at which the user is asked to prune a store, and the store's last measured size.

Measuring reads every folder of the store, so commands that write to it measure at most once a day.
"""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from airbyte_ci import disk
from airbyte_ci.errors import UsageError
from airbyte_ci.oci.store.size import parse_size
from airbyte_ci.oci.store.store import Store

VARIABLE = "AIRBYTE_CI_STORE_LIMIT"
DEFAULT = "20GB"
_DAY = 86400


def of(environment: Mapping[str, str]) -> int:
    """Returns the limit in bytes; raises UsageError if the variable is not a size."""
    text = environment.get(VARIABLE) or DEFAULT
    size = parse_size(text)
    if size is None:
        raise UsageError(f"{VARIABLE}={text!r} is not a size", advice=f"write it as {DEFAULT} or 500MB")
    return size


def record(store: Store, size: int) -> None:
    """Stores a measured size; a store that is not writable needs no limit."""
    with contextlib.suppress(OSError):
        disk.write_file(_file(store), str(size).encode())


def size_of(store: Store, now: float | None = None) -> int:
    """Returns the size of the store, measured within the last day."""
    try:
        age = (time.time() if now is None else now) - _file(store).stat().st_mtime
        if 0 <= age < _DAY:
            return int(_file(store).read_text())
    except (OSError, ValueError):
        pass
    size = _measured(store)
    record(store, size)
    return size


def _measured(store: Store) -> int:
    from airbyte_ci.oci.store import caches  # once a day
    from airbyte_ci.oci.store.collect import folder_size

    snapshots = [item for item in (store.root / "snapshots").iterdir() if not item.name.startswith(".")]
    total = 0
    for place in (store.root / "blobs" / "sha256", *snapshots, *caches.entries(store.root)):
        with contextlib.suppress(OSError):
            total += folder_size(place)
    return total


def _file(store: Store) -> Path:
    return store.root / "size"
