"""Checks a store: each blob against its name, each action against its checksum, each named image for its parts."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci import disk
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, DigestMismatch, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.collect import reachable
from airbyte_ci.oci.store.store import Store


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged item of a store: a blob, an action or a name."""

    subject: str
    reason: str
    path: Path | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedItems:
    """The number of checked items of each kind, and the damaged ones."""

    blobs: int
    actions: int
    snapshots: int
    names: int
    damages: tuple[Damage, ...]


def check(store: Store, snapshots: Iterable[Damage | None] = (), *, drop: bool = False) -> CheckedItems:
    """Reads everything. With `drop`, removes damaged items; they are made again when needed.

    `snapshots` are the results of checking each snapshot.
    """
    counts = {"blobs": 0, "actions": 0, "snapshots": 0, "names": 0}
    damages: list[Damage] = []
    for kind, found in (("blobs", _blobs(store)), ("actions", _actions(store)), ("snapshots", snapshots)):
        for damage in found:
            counts[kind] += 1
            if damage:
                damages.append(damage)
    if drop:
        _drop(store, damages)
    names = list(_names(store))
    counts["names"] = len(names)
    lost = [damage for damage in names if damage]
    if drop:
        for damage in lost:
            store.untag(str(damage.name))
    return CheckedItems(**counts, damages=(*damages, *lost))


def _blobs(store: Store) -> Iterator[Damage | None]:
    for item in os.scandir(store.root / "blobs" / "sha256"):
        path = Path(item.path)
        try:
            digest = Digest(item.name)
            with store.open(digest) as blob:
                while blob.read(1 << 20):
                    pass
            yield None
        except BlobNotFound:
            yield None  # collected meanwhile
        except DigestMismatch:
            yield Damage(f"blob {item.name}", "its content does not match its digest", path)
        except ImageError:
            yield Damage(f"file {item.name} among the blobs", "its name is not a digest", path)
        except OSError as error:
            yield Damage(f"blob {item.name}", f"it cannot be read ({error.strerror})", path)


def _actions(store: Store) -> Iterator[Damage | None]:
    for folder in (store.root / "actions").iterdir():
        for item in os.scandir(folder):
            with contextlib.suppress(FileNotFoundError):
                whole = store.recorded(Path(item.path)) is not None
                yield None if whole else Damage(f"action {item.name}", "its checksum is wrong", Path(item.path))


def _names(store: Store) -> Iterator[Damage | None]:
    for name in store.names():
        descriptor = store.resolve(name)
        if descriptor is None:
            continue
        try:
            missing = [digest for digest in reachable(store, descriptor.digest) if not store.has(digest)]
            reason = f"it lacks {missing[0]}" if missing else ""
        except AirbyteCiError as error:
            reason = error.message
        yield Damage(f"image {name}", reason, name=name) if reason else None


def _drop(store: Store, damages: list[Damage]) -> None:
    with disk.lock(store.root / "gc.lock", shared=False):
        for damage in damages:
            if damage.path:
                damage.path.unlink(missing_ok=True)
