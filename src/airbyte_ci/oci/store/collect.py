"""Garbage collection: removes the least recently used items of a store that no process uses.

Named images are kept whole. Everything else is a cache: any entry may be removed alone, because its user notices that
it is missing and makes it again. So a killed collection leaves an intact store.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from airbyte_ci import disk
from airbyte_ci.errors import AirbyteCiError, StoreError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index, Manifest
from airbyte_ci.oci.store import caches, sessions
from airbyte_ci.oci.store.store import Store
from airbyte_ci.records import dataclass

# Entries are removed in small groups, so that builds wait only briefly.
_GROUP = 64
_TRASH = ".trash-"


@dataclass(frozen=True, slots=True)
class Policy:
    """What to remove: items not used for `older_than` seconds, and the oldest ones while the store exceeds `max_size`
    bytes.
    """

    older_than: float | None = None
    max_size: int | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """The removed and the remaining entries and bytes."""

    removed: int
    freed: int
    kept: int
    size: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file or folder of the store that may be removed: the time of its last use, and its size in bytes."""

    path: Path
    used: float
    size: int


def collect(store: Store, policy: Policy, *, now: float | None = None) -> Collected:
    """Applies the policy and removes files of killed processes. Raises StoreError if another collection runs."""
    moment = time.time() if now is None else now
    with _alone(store):
        began = sessions.oldest(store.root / "sessions", but=store.session)
        # Items that were used since the oldest running session began may be in use now.
        untouchable = moment if began is None else min(moment, began)
        _sweep(store, untouchable)
        entries = sorted(_entries(store), key=lambda entry: entry.used)
        named = _named(store)
        total = sum(entry.size for entry in entries)
        removed = freed = 0
        for group in _groups(_chosen(entries, policy, now=moment, total=total, untouchable=untouchable, named=named)):
            with disk.lock(store.root / "gc.lock", shared=False):
                for entry in group:
                    if _remove(store, entry, untouchable):
                        removed, freed = removed + 1, freed + entry.size
        _empty_trash(store)
        _sweep_records(store, untouchable)
        caches.sweep(store.root)
        return Collected(removed, freed, len(entries) - removed, total - freed)


@contextlib.contextmanager
def _alone(store: Store) -> Iterator[None]:
    with (store.root / "collecting").open("a") as file:
        if not sessions.is_free(file.fileno()):
            raise StoreError(
                f"cannot prune the store {store.root}: another process is pruning it", error_id="store-in-use"
            )
        yield


def _entries(store: Store) -> Iterator[_Entry]:
    for folder in (store.root / "blobs" / "sha256", *(store.root / "actions").iterdir()):
        for item in os.scandir(folder):
            with contextlib.suppress(FileNotFoundError):
                status = item.stat(follow_symlinks=False)
                yield _Entry(Path(item.path), status.st_mtime, status.st_size)
    for item in os.scandir(store.root / "snapshots"):
        if not item.name.startswith("."):
            with contextlib.suppress(FileNotFoundError):
                yield _Entry(Path(item.path), item.stat().st_mtime, folder_size(Path(item.path)))
    for path in caches.entries(store.root):
        with contextlib.suppress(FileNotFoundError):
            yield _Entry(path, caches.last_use(path), folder_size(path))


def folder_size(folder: Path) -> int:
    """Returns the bytes below a folder, without following links; for a file, its own size."""
    if not folder.is_dir():
        return folder.lstat().st_size
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118  # hot: a base has 10,000 files
    return total


def _chosen(
    entries: list[_Entry], policy: Policy, now: float, total: int, untouchable: float, named: frozenset[str]
) -> Iterator[_Entry]:
    excess = total - policy.max_size if policy.max_size is not None else 0
    for entry in entries:
        if entry.used >= untouchable or entry.path.name in named:
            continue
        stale = policy.older_than is not None and entry.used < now - policy.older_than
        if stale or excess > 0:
            excess -= entry.size
            yield entry


def _named(store: Store) -> frozenset[str]:
    """Returns the file names of all blobs of named images."""
    kept: set[str] = set()
    for name in store.names():
        descriptor = store.resolve(name)
        if descriptor is not None:
            with contextlib.suppress(AirbyteCiError):  # `check` reports damaged images
                kept |= {digest.hex for digest in reachable(store, descriptor.digest)}
    return frozenset(kept)


def reachable(store: Store, digest: Digest) -> Iterator[Digest]:
    """Returns the blobs of an image or index, itself first. Raises BlobNotFound, ImageError for an incomplete image.

    Of an index, includes the platforms in the store; other machines may have built the others.
    """
    yield digest
    manifest: Manifest | Index = store.manifest(digest)
    if isinstance(manifest, Index):
        here = [item for item in manifest.manifests if store.path(item.digest).exists()]
        for item in here or manifest.manifests:
            yield from reachable(store, item.digest)
    else:
        yield manifest.config.digest
        yield from (layer.digest for layer in manifest.layers)


def _groups(entries: Iterator[_Entry]) -> Iterator[list[_Entry]]:
    group: list[_Entry] = []
    for entry in entries:
        group.append(entry)
        if len(group) == _GROUP:
            yield group
            group = []
    yield group


def _remove(store: Store, entry: _Entry, untouchable: float) -> bool:
    """Removes an entry unless it was used after it was selected; the lock prevents new marks meanwhile."""
    try:
        if _last_use(store, entry.path) >= untouchable:
            return False
        if entry.path.is_dir():
            # Renamed first: a half-removed snapshot must not look complete.
            entry.path.replace(store.root / "scratch" / f"{_TRASH}{entry.path.name}-{os.getpid()}")
        else:
            entry.path.unlink()
    except FileNotFoundError:
        return False
    return True


def _last_use(store: Store, path: Path) -> float:
    return caches.last_use(path) if store.root / "caches" in path.parents else path.stat().st_mtime


def _sweep(store: Store, untouchable: float) -> None:
    """Removes the half-written files and command folders of killed processes."""
    leftovers = [*(store.root / "ingest").iterdir(), *(store.root / "scratch").iterdir()]
    for path in (*leftovers, *(store.root / "snapshots").glob(".*.partial")):
        with contextlib.suppress(FileNotFoundError):
            if path.lstat().st_mtime >= untouchable:
                continue
            if path.is_dir() and not path.is_symlink():
                disk.remove_tree(path)
            else:
                path.unlink()


def _sweep_records(store: Store, untouchable: float) -> None:
    """Removes the record of a removed snapshot."""
    for path in (store.root / "records").iterdir():
        with contextlib.suppress(FileNotFoundError):
            gone = not (store.root / "snapshots" / path.name).exists()
            if gone and path.stat().st_mtime < untouchable:
                path.unlink()


def _empty_trash(store: Store) -> None:
    for path in (store.root / "scratch").glob(f"{_TRASH}*"):
        disk.remove_tree(path)
