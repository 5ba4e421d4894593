"""The files of unpacked layers, merged as overlayfs would show them, without mounting and in one pass.

`Tree` looks up single paths; this module returns all paths at once, with the layer of each.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from airbyte_ci.rootfs.tree import is_opaque, is_whiteout

# Hashing releases the interpreter lock; more threads would only wait for the disk.
_THREADS = 4
# Files are small, so submitting one to a thread would take as long as reading it.
_TOGETHER = 256
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "dir"),
    (stat.S_ISLNK, "symlink"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFile:
    """One path of an image: kind, owner, and the number of its layer (0 is the oldest)."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    layer: int
    disk: str

    def writable_by(self, uid: int, groups: set[int]) -> bool:
        """Returns whether a user other than root can change the path; an owner can always do so."""
        if self.kind == "symlink":
            return False
        return self.uid == uid or bool(self.mode & 0o002) or (self.gid in groups and bool(self.mode & 0o020))


@dataclass(slots=True)
class _Node:
    status: os.stat_result
    disk: str
    layer: int
    below: "dict[str, _Node] | None" = field(default=None)


def listed(layers: Sequence[Path]) -> Iterator[LayerFile]:
    """Yields every path except the root in name order, folders before their contents; `layers` are newest first."""
    root: dict[str, _Node] = {}
    for number, folder in enumerate(reversed(layers)):
        _merge(str(folder), number, root)
    return _walk("", root)


def _merge(folder: str, layer: int, into: dict[str, _Node]) -> None:
    for item in os.scandir(folder):
        status = item.stat(follow_symlinks=False)
        if is_whiteout(status):
            into.pop(item.name, None)
            continue
        before = into.get(item.name)
        node = into[item.name] = _Node(status, item.path, layer)
        if stat.S_ISDIR(status.st_mode):
            shows_through = before is not None and before.below is not None and not is_opaque(Path(item.path))
            below: dict[str, _Node] = (before.below or {}) if before and shows_through else {}
            node.below = below
            _merge(item.path, layer, below)


def _walk(prefix: str, nodes: dict[str, _Node]) -> Iterator[LayerFile]:
    for name in sorted(nodes):
        node = nodes[name]
        status, path = node.status, f"{prefix}{name}"
        kind = next((kind for test, kind in _KINDS if test(status.st_mode)), "other")
        size = status.st_size if kind == "file" else 0
        mode = stat.S_IMODE(status.st_mode)
        yield LayerFile(
            path=path,
            kind=kind,
            mode=mode,
            uid=status.st_uid,
            gid=status.st_gid,
            size=size,
            layer=node.layer,
            disk=node.disk,
        )
        if node.below:
            yield from _walk(f"{path}/", node.below)


def contents(files: Iterable[LayerFile]) -> list[str]:
    """Returns the content of each path: the sha256 (hex) of a regular file, the target of a link, else empty."""
    listed = list(files)
    parts = (listed[start : start + _TOGETHER] for start in range(0, len(listed), _TOGETHER))
    with ThreadPoolExecutor(_THREADS) as pool:
        return [content for part in pool.map(_contents, parts) for content in part]


def _contents(files: Sequence[LayerFile]) -> list[str]:
    return [_content(file) for file in files]


def _content(file: LayerFile) -> str:
    if file.kind == "symlink":
        return str(Path(file.disk).readlink())
    if file.kind != "file":
        return ""
    with open(file.disk, "rb") as source:  # noqa: PTH123  # twelve thousand times, and Path takes its time
        return hashlib.file_digest(source, "sha256").hexdigest()
