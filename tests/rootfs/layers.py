"""Layers as bytes for tests: written by Python's tarfile, so that they may contain what airbyte-ci's writer refuses."""

import gzip
import io
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYER_GZIP, Descriptor
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs import snapshot
from airbyte_ci.rootfs.snapshot import Stack

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: object) -> Member:
    """One entry; fields are TarInfo's own (mode, uid, linkname, devmajor, pax_headers, size)."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(data)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def file(name: str, data: bytes = b"new", **fields: Any) -> Member:
    return member(name, data=data, **fields)


def folder(name: str, **fields: Any) -> Member:
    return member(name, tarfile.DIRTYPE, **fields)


def link(name: str, target: str, **fields: Any) -> Member:
    return member(name, tarfile.SYMTYPE, linkname=target, **fields)


def hard(name: str, target: str) -> Member:
    return member(name, tarfile.LNKTYPE, linkname=target)


def device(name: str, major: int, minor: int, kind: bytes = tarfile.CHRTYPE) -> Member:
    return member(name, kind, devmajor=major, devminor=minor)


def whiteout(name: str) -> Member:
    """Named by the marker itself: `a/.wh.b`."""
    return file(name, b"")


def archive(members: Iterable[Member]) -> bytes:
    """A tar of exactly these entries, in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as writer:
        for info, data in members:
            writer.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def put(store: Store, tar: bytes) -> tuple[Descriptor, Digest]:
    """The tar as a gzipped layer in the store."""
    blob = gzip.compress(tar, mtime=0)
    return Descriptor(LAYER_GZIP, store.put(blob), len(blob)), Digest.of(tar)


def unpack(store: Store, *layers: Sequence[Member]) -> Stack:
    """The layers, oldest first, unpacked on each other."""
    return snapshot.unpack(store, [put(store, archive(members)) for members in layers])


def shown(stack: Stack) -> dict[str, str]:
    """Every path of the tree: `/` for folders, `→ target` for links, else the first bytes."""
    found = {}
    for node in stack.tree.walk(""):
        if node.is_dir:
            found[node.path] = "/"
        elif node.is_link:
            found[node.path] = f"→ {node.disk.readlink()}"
        else:
            found[node.path] = (stack.tree.read(node.path) or b"").decode()
    return found


def outside(folder_of_test: Path, store: Store) -> dict[str, bytes]:
    """Every file of a test's folder that is not the store's."""
    return {
        str(path): path.read_bytes()
        for path in folder_of_test.rglob("*")
        if path.is_file() and not path.is_relative_to(store.root)
    }
