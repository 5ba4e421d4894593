"""Shared libraries: those that the native code of wheels needs from an image, and those of the image.

A wheel's tag promises that it needs no more than its platform provides (PEP 600), but an image may provide less.
"""

import fnmatch
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.rootfs.tree import Tree

FORMAT_VERSION = 3
_MAGIC = b"\x7fELF"
_FOLDERS = ("lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib")
# A library is read as a whole; larger files are data.
_LIMIT = 512 << 20
_CONFIGURATION = "etc/ld.so.conf"
# Debian has a few short files; an image may have any number that include each other.
_INCLUDED = _PATTERNS = 100
_CONFIGURATION_LIMIT = 64 << 10


@dataclass(frozen=True, slots=True)
class Linked:
    """Libraries by soname: those to which a wheel's native code is linked, and those that it contains."""

    needed: frozenset[str]
    brought: frozenset[str]


def of_wheel(store: Store, file: LockedFile) -> Linked:
    """Returns the libraries of a wheel in the store, read once; empty for a pure wheel."""
    if file.name.endswith("-any.whl"):
        return Linked(frozenset(), frozenset())

    def make() -> dict[str, Any]:
        with store.scratch() as folder:
            found = _read(store.verified(Digest(file.sha256)), folder)
        return {"needed": sorted(found.needed), "brought": sorted(found.brought)}

    known = store.reuse("libraries of a wheel", FORMAT_VERSION, file.sha256, make)
    return Linked(frozenset(known["needed"]), frozenset(known["brought"]))


def missing(linked: Iterable[Linked]) -> tuple[str, ...]:
    """Returns the libraries that the wheels together need from the image."""
    needed: set[str] = set()
    brought: set[str] = set()
    for one in linked:
        needed |= one.needed
        brought |= one.brought
    return tuple(sorted(needed - brought))


def in_image(tree: Tree, more: Sequence[str] = ()) -> frozenset[str]:
    """Returns the names of shared libraries in the loader's folders of the image; `more` are those of a variable."""
    found = set()
    for folder in (*_FOLDERS, *_configured(tree), *more):
        for name in tree.names(folder):
            if ".so" in name:
                found.add(name)
            elif name.endswith(("-linux-gnu", "-linux-gnueabihf", "-linux-musl")):
                found |= {inner for inner in tree.names(f"{folder}/{name}") if ".so" in inner}
    return frozenset(found)


def _configured(tree: Tree) -> Iterator[str]:
    """Returns the folders of the loader's configuration (ldconfig(8)) and of the files that it includes, each once."""
    waiting, met, patterns = [_CONFIGURATION], {_CONFIGURATION}, _PATTERNS
    for path in waiting:
        for line in (tree.read(path) or b"")[:_CONFIGURATION_LIMIT].decode(errors="replace").split("\n"):
            words = line.partition("#")[0].split()
            if words[:1] == ["include"]:
                asked = words[1 : 1 + patterns]
                patterns -= len(asked)
                more = {name for pattern in asked for name in _matching(tree, pattern)} - met
                waiting += sorted(more)[: _INCLUDED - len(waiting)]
                met |= more
            elif words and words[0].startswith("/"):
                yield words[0]


def _matching(tree: Tree, pattern: str) -> Iterator[str]:
    place = pattern.lstrip("/") if pattern.startswith("/") else f"etc/{pattern}"
    folder, _, names = place.rpartition("/")
    return (f"{folder}/{name}" for name in fnmatch.filter(tree.names(folder), names))


def _read(path: Path, scratch: Path) -> Linked:
    needed: set[str] = set()
    brought: set[str] = set()
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.rpartition("/")[2]
            if ".so" not in name or member.file_size > _LIMIT:
                continue
            brought.add(name)
            with archive.open(member) as file, tempfile.TemporaryFile(dir=scratch) as library:
                start = file.read(len(_MAGIC))
                if start != _MAGIC:
                    continue
                # From disk: the reader keeps reference cycles, and with them 120 MB of libraries would stay in memory.
                library.write(start)
                shutil.copyfileobj(file, library)
                library.seek(0)
                for is_needed, soname in _dynamic(library, f"{path.name}/{member.filename}"):
                    (needed if is_needed else brought).add(soname)
    return Linked(frozenset(needed), frozenset(brought))


def _dynamic(file: IO[bytes], what: str) -> Iterator[tuple[bool, str]]:
    """Returns the library's DT_NEEDED (True) and DT_SONAME (False) entries (System V ABI, dynamic section)."""
    from elftools.common.exceptions import ELFError  # only new native wheels need it
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile

    try:
        for segment in ELFFile(file).iter_segments("PT_DYNAMIC"):
            assert isinstance(segment, DynamicSegment)
            for tag in segment.iter_tags():
                told: Any = tag  # the attributes are named after the tags
                if told.entry.d_tag == "DT_NEEDED":
                    yield True, str(told.needed)
                elif told.entry.d_tag == "DT_SONAME":
                    yield False, str(told.soname)
    except (ELFError, AssertionError, ValueError, OverflowError, UnicodeDecodeError) as error:
        raise PackageError(
            f"cannot read the libraries of {what}: it is not a valid shared library ({error})"
        ) from error
