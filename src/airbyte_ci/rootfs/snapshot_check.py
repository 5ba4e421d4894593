"""Compares the snapshots of a store with their records, and with their layers."""

from collections.abc import Iterator

from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.store.check import Damage
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs import snapshot, snapshot_record
from airbyte_ci.rootfs.snapshot_record import Record


def check(store: Store, *, deep: bool = False, drop: bool = False) -> Iterator[Damage | None]:
    """Each snapshot's damage, or None: kinds, modes and sizes; with `deep` also contents, by unpacking layers again.

    What an earlier version made has no record and is passed over, as is what this user may not look into.
    """
    for place in snapshot_record.snapshots(store):
        record = snapshot_record.read(place)
        if record is None:
            continue
        try:
            reason = snapshot_record.damage(place, record)
            reason = reason or (_other_content(store, place.name, record) if deep else None)
        except FileNotFoundError:
            continue  # Removed by garbage collection meanwhile.
        except PermissionError:
            continue
        if reason and drop:
            snapshot_record.drop(store, place)
        yield Damage(f"snapshot {place.name}", reason) if reason else None


def _other_content(store: Store, name: str, record: Record) -> str | None:
    origin = record.origin
    folders = [store.root / "snapshots" / item for item in origin.below] if origin else []
    if origin is None or not store.has(origin.descriptor.digest) or not all(folder.exists() for folder in folders):
        return None
    with store.scratch() as scratch:
        try:
            again = snapshot.unpack_again(store, origin, folders, scratch / "again")
        except AirbyteCiError as error:
            return f"its layer cannot be unpacked again: {error.message}"
        return snapshot_record.differs(store.root / "snapshots" / name, again)
