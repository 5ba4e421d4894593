"""The record of a snapshot: each file's kind, mode and size, stored to detect damage.

Unpacking does not hash contents, which would double its time: `differs` compares them with a second unpacking of the
layer.
"""

import contextlib
import filecmp
import json
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_ci import disk
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.oci.store.store import Store

# Kind and mode, and a file's size, a link's target or a device's number.
_Facts = list[Any]


@dataclass(frozen=True, slots=True)
class SnapshotSource:
    """The layer from which a snapshot was unpacked, and the snapshots below it, newest first."""

    descriptor: Descriptor
    diff_id: Digest
    below: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """The recorded files of a snapshot; `origin` is None for a command's files."""

    files: Mapping[str, _Facts]
    origin: SnapshotSource | None


def write(folder: Path, place: Path, origin: SnapshotSource | None = None) -> None:
    """Records a folder that will become the snapshot at `place`."""
    document: dict[str, Any] = {"files": dict(_listed(folder))}
    if origin:
        document["layer"] = origin.descriptor.to_json()
        document["diffId"] = str(origin.diff_id)
        document["below"] = list(origin.below)
    with disk.replace_file(_path(place)) as file:
        file.write(zlib.compress(json.dumps(document).encode(), 1))


def read(place: Path) -> Record | None:
    """Returns the record of a snapshot; None if it is missing or unreadable."""
    try:
        document = json.loads(zlib.decompress(_path(place).read_bytes()))
        origin = None
        if "layer" in document:
            layer = Descriptor.from_json(document["layer"], "a layer")
            origin = SnapshotSource(layer, Digest.parse(document["diffId"]), tuple(document["below"]))
        return Record(document["files"], origin)
    except (OSError, ValueError, zlib.error, LookupError):
        return None


def damage(place: Path, record: Record) -> str | None:
    """Returns the first file that differs from the record; None if all are equal. Raises PermissionError."""
    found = dict(_listed(place))
    for path in sorted(found.keys() | record.files.keys()):
        before, now = record.files.get(path), found.get(path)
        if before == now:
            continue
        if now is None:
            return f"{path!r} is missing"
        if before is None:
            return f"{path!r} was added"
        return f"{path!r} has another {'kind or mode' if before[0] != now[0] else 'size or target'}"
    return None


def differs(place: Path, again: Path) -> str | None:
    """Returns the first regular file whose content differs from a new unpacking."""
    for path, (mode, _) in _listed(again):
        if stat.S_ISREG(mode) and not filecmp.cmp(place / path, again / path, shallow=False):
            return f"the content of {path!r} changed"
    return None


def snapshots(store: Store) -> list[Path]:
    """Returns all snapshots of a store."""
    return sorted(path for path in (store.root / "snapshots").iterdir() if not path.name.startswith("."))


def drop(store: Store, place: Path) -> None:
    """Removes a snapshot; renames it first, because half a snapshot must not look complete."""
    _path(place).unlink(missing_ok=True)
    with store.scratch() as folder, contextlib.suppress(FileNotFoundError):
        place.replace(folder / "gone")
        disk.remove_tree(folder / "gone")


def _path(place: Path) -> Path:
    return place.parents[1] / "records" / place.name


def _listed(folder: Path) -> Iterator[tuple[str, _Facts]]:
    """Yields the folder itself and each path below it with its attributes; follows no link."""
    yield "", [folder.lstat().st_mode, 0]
    pending = [""]
    while pending:
        parent = pending.pop()
        with os.scandir(folder / parent) as items:
            for item in items:
                path = f"{parent}/{item.name}" if parent else item.name
                status = item.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    pending.append(path)
                yield path, [status.st_mode, _detail(item, status)]


def _detail(item: "os.DirEntry[str]", status: os.stat_result) -> int | str:
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(item.path)  # noqa: PTH115  # hot: a base has 10,000 files
    return status.st_size if stat.S_ISREG(status.st_mode) else status.st_rdev
