"""What a base image has installed already, and what of it must go when an environment replaces it.

As pip does: a distribution of the same name is removed by its RECORD before the new one comes.
"""

import csv
import posixpath
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from email.parser import HeaderParser
from typing import Any

from packaging.utils import canonicalize_name

from airbyte_ci.container.tree import Tree
from airbyte_ci.oci import tar
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.interpreter import Interpreter


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution: normalised name, version, and its files relative to the image's root."""

    name: str
    version: str
    files: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Distribution":
        return cls(document["name"], document["version"], tuple(document["files"]))


def site_packages(interpreter: Interpreter) -> list[str]:
    """The folders that hold distributions, relative to the root."""
    return sorted({interpreter.purelib.strip("/"), interpreter.platlib.strip("/")})


def distributions(tree: Tree, interpreter: Interpreter) -> tuple[Distribution, ...]:
    """The distributions in the image's site-packages, sorted by name."""
    found: list[Distribution] = []
    for folder in site_packages(interpreter):
        found += (_read(tree, folder, name) for name in tree.names(folder) if name.endswith(".dist-info"))
    return tuple(sorted(found, key=lambda item: item.name))


def _read(tree: Tree, folder: str, name: str) -> Distribution:
    info = f"{folder}/{name}"
    headers = HeaderParser().parsestr((tree.read(f"{info}/METADATA") or b"").decode(errors="replace"), headersonly=True)
    # A folder without METADATA is still found by its name.
    named, _, version = name.removesuffix(".dist-info").partition("-")
    record = (tree.read(f"{info}/RECORD") or b"").decode(errors="replace")
    rows = (row[0] for row in csv.reader(record.splitlines()) if row)
    files = {posixpath.normpath(posixpath.join(folder, path)).lstrip("/") for path in rows}
    # Whatever RECORD says, the metadata folder is the distribution's.
    files |= {f"{info}/{item}" for item in tree.names(info)}
    name, version = str(headers["Name"] or named), str(headers["Version"] or version)
    return Distribution(canonicalize_name(name), version, tuple(sorted(files)))


def folders(interpreter: Interpreter) -> list[str]:
    """The folders that distributions share: site-packages and scripts, relative to the root."""
    return sorted({*site_packages(interpreter), interpreter.scripts.strip("/")})


def files_below(tree: Tree, folders: Iterable[str]) -> tuple[str, ...]:
    """All files (not folders) below some folders, for `removals`."""
    return tuple(node.path for folder in folders for node in tree.walk(folder) if not node.is_dir)


def removals(
    present: Iterable[Distribution],
    files: Collection[str],
    names: Collection[str],
    supplied: Collection[str],
    roots: Collection[str],
) -> list[Entry]:
    """Whiteouts for the distributions in `names`, less what the environment supplies at the same path.

    `files` are the base's files; a folder that would become empty is removed as a whole, if it is inside of `roots`.
    """
    there = set(files)
    gone = {path for item in present if item.name in names for path in item.files if path in there}
    gone |= _compiled(gone, there)
    return [tar.whiteout(path) for path in sorted(_collapsed(gone, there, set(supplied), roots))]


def _compiled(sources: Collection[str], there: Collection[str]) -> set[str]:
    """Byte code beside removed sources that RECORD does not list."""
    found = set()
    for path in there:
        folder, _, name = path.rpartition("/")
        if name.endswith(".pyc") and folder.endswith("/__pycache__"):
            source = f"{folder.removesuffix('/__pycache__')}/{name.split('.')[0]}.py"
            if source in sources:
                found.add(path)
    return found


def _collapsed(gone: set[str], there: set[str], supplied: set[str], roots: Collection[str]) -> set[str]:
    """The smallest set of whiteouts: whole folders where nothing of the base stays and nothing new comes."""
    kept = {parent for path in there - gone for parent in tar.parents(path)}
    kept |= {parent for path in supplied for parent in tar.parents(path)}
    kept |= {folder for root in roots for folder in (*tar.parents(root), root)}
    result = set()
    for path in gone - supplied:
        whole = next((parent for parent in tar.parents(path) if parent not in kept), None)
        result.add(whole or path)
    return result
