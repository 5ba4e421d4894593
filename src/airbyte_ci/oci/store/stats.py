"""Statistics of a store: blobs by use, actions by kind, snapshots, caches, named images."""

import os
from dataclasses import dataclass

from airbyte_ci.oci.store import caches
from airbyte_ci.oci.store.collect import folder_size, reachable
from airbyte_ci.oci.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts and bytes. `shared` is what named images would need in addition if they shared no layers."""

    blobs: int
    blob_bytes: int
    actions: int
    snapshots: int
    snapshot_bytes: int
    caches: int
    cache_bytes: int
    names: int
    named_bytes: int
    shared_bytes: int


def stats(store: Store) -> Stats:
    """Counts everything; raises ImageError, BlobNotFound for an incomplete named image."""
    sizes = {item.name: item.stat().st_size for item in os.scandir(store.root / "blobs" / "sha256")}
    folders = [item for item in (store.root / "snapshots").iterdir() if not item.name.startswith(".")]
    cached = list(caches.entries(store.root))
    named: dict[str, int] = {}
    apart = 0
    names = store.names()
    for name in names:
        descriptor = store.resolve(name)
        for digest in set(reachable(store, descriptor.digest)) if descriptor else ():
            named[digest.hex] = sizes.get(digest.hex, 0)
            apart += sizes.get(digest.hex, 0)
    return Stats(
        blobs=len(sizes),
        blob_bytes=sum(sizes.values()),
        actions=sum(1 for folder in (store.root / "actions").iterdir() for _ in os.scandir(folder)),
        snapshots=len(folders),
        snapshot_bytes=sum(folder_size(folder) for folder in folders),
        caches=len(cached),
        cache_bytes=sum(folder_size(item) for item in cached),
        names=len(names),
        named_bytes=sum(named.values()),
        shared_bytes=apart - sum(named.values()),
    )
