"""The distributions of a base image, and the files to remove when an environment replaces some.

As in pip, a distribution of the same name is removed by its RECORD before the new one is installed.
"""

import csv
import posixpath
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from email.parser import HeaderParser
from typing import Any

from packaging.utils import canonicalize_name

from airbyte_ci.oci import tar
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.rootfs.tree import Tree

# Of the files of distributions, and so of removals; raised if a base would lose other files.
FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution: normalized name, version, and its files relative to the image's root."""

    name: str
    version: str
    files: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Distribution":
        return cls(document["name"], document["version"], tuple(document["files"]))


def site_packages(interpreter: Interpreter) -> list[str]:
    """Returns the folders of distributions, relative to the root: the install location, and all others on the path."""
    return sorted(place.strip("/") for place in interpreter.site)


def distributions(tree: Tree, interpreter: Interpreter) -> tuple[Distribution, ...]:
    """Returns the distributions on the path of the image's Python, sorted by name."""
    return distributions_in(tree, site_packages(interpreter))


def distributions_in(tree: Tree, folders: Iterable[str]) -> tuple[Distribution, ...]:
    """Returns the distributions in some folders, without an interpreter; sorted by name."""
    found: list[Distribution] = []
    for folder in folders:
        for name in tree.names(folder):
            if name.endswith(".dist-info"):
                found.append(_read(tree, folder, name))
            elif name.endswith(".egg-info"):
                found.append(_read_egg(tree, folder, name))
    return tuple(sorted(found, key=lambda item: item.name))


def _read(tree: Tree, folder: str, name: str) -> Distribution:
    info = f"{folder}/{name}"
    record = tree.read(f"{info}/RECORD")
    if record is None:  # The distribution's own packages of Linux systems omit it.
        files = _named(tree, folder, info)
    else:
        rows = (row[0] for row in csv.reader(record.decode(errors="replace").splitlines()) if row)
        files = {posixpath.normpath(posixpath.join(folder, path)).lstrip("/") for path in rows}
    # The metadata folder belongs to the distribution even if RECORD does not list it.
    files |= {f"{info}/{item}" for item in tree.names(info)}
    return _described(tree.read(f"{info}/METADATA"), name.removesuffix(".dist-info"), files)


def _read_egg(tree: Tree, folder: str, name: str) -> Distribution:
    """Returns distributions that setuptools and distutils installed before wheels: a folder, or a file without a file
    list.
    """
    info = f"{folder}/{name}"
    files = {info} | {node.path for node in tree.walk(info) if not node.is_dir}
    if listed := _lines(tree, f"{info}/installed-files.txt"):
        files |= {posixpath.normpath(posixpath.join(info, path)).lstrip("/") for path in listed}
    else:
        files |= _named(tree, folder, info)
    spelt = name.removesuffix(".egg-info")
    return _described(tree.read(f"{info}/PKG-INFO") or tree.read(info), "-".join(spelt.split("-")[:2]), files)


def _named(tree: Tree, folder: str, info: str) -> set[str]:
    """Without a file list, assumes like pip that all files of its packages belong to it, except shared packages."""
    files = set()
    shared = set(_lines(tree, f"{info}/namespace_packages.txt"))
    for top in _lines(tree, f"{info}/top_level.txt"):
        if top not in shared and "/" not in top:
            files.add(f"{folder}/{top}.py")
            files |= {node.path for node in tree.walk(f"{folder}/{top}") if not node.is_dir}
    return files


def _lines(tree: Tree, path: str) -> list[str]:
    return (tree.read(path) or b"").decode(errors="replace").split()


def _described(metadata: bytes | None, spelt: str, files: Collection[str]) -> Distribution:
    """Returns the name from the folder's name if there is no metadata."""
    headers = HeaderParser().parsestr((metadata or b"").decode(errors="replace"), headersonly=True)
    named, _, numbered = spelt.partition("-")
    name, version = str(headers["Name"] or named), str(headers["Version"] or numbered)
    return Distribution(canonicalize_name(name), version, tuple(sorted(files)))


def folders(interpreter: Interpreter) -> list[str]:
    """Returns the folders that distributions share: site-packages and scripts, relative to the root."""
    return sorted({*site_packages(interpreter), interpreter.scripts.strip("/")})


def files_below(tree: Tree, folders: Iterable[str]) -> tuple[str, ...]:
    """Returns all files (not folders) below some folders, for `removals`."""
    return tuple(node.path for folder in folders for node in tree.walk(folder) if not node.is_dir)


def removals(
    present: Iterable[Distribution],
    files: Collection[str],
    names: Collection[str],
    roots: Collection[str],
) -> list[Entry]:
    """Returns whiteouts for the distributions in `names`; their replacements are in a layer above.

    `files` are the base's files; a folder that would become empty is removed as a whole, if it is inside `roots`.
    """
    there = set(files)
    gone = {path for item in present if item.name in names for path in item.files if path in there}
    gone |= _compiled(gone, there)
    return [tar.whiteout(path) for path in sorted(_collapsed(gone, there, roots))]


def _compiled(sources: Collection[str], there: Collection[str]) -> set[str]:
    """Returns bytecode next to removed sources that RECORD does not list."""
    found = set()
    for path in there:
        folder, _, name = path.rpartition("/")
        if name.endswith(".pyc") and folder.endswith("/__pycache__"):
            source = f"{folder.removesuffix('/__pycache__')}/{name.split('.')[0]}.py"
            if source in sources:
                found.add(path)
    return found


def _collapsed(gone: set[str], there: set[str], roots: Collection[str]) -> set[str]:
    """Returns the smallest set of whiteouts: whole folders if no file of the base stays."""
    kept = tar.folders(there - gone)
    kept |= {folder for root in roots for folder in (*tar.parents(root), root)}
    result = set()
    for path in gone:
        whole = next((parent for parent in tar.parents(path) if parent not in kept), None)
        result.add(whole or path)
    return result
