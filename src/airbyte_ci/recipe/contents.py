"""Converts a hook's contents to layer entries: from containers, from the connector's folder, from pieces."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from airbyte_ci.dagger import (
    Content,
    Filter,
    FromContainer,
    Insert,
    KeptFile,
    Narrow,
    NewFile,
    NewFolder,
    NewLink,
    Without,
)
from airbyte_ci.dagger.patterns import matches_below
from airbyte_ci.errors import HookError
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.tar import Entry
from airbyte_ci.rootfs import diff
from airbyte_ci.rootfs.tree import Tree

# Path below the root of the contents → entry; a single file is at the empty path.
Entries = dict[str, Entry]
# The tree of a container, and the path in it, from which contents are copied.
Take = Callable[[FromContainer], tuple[Tree, str]]
# The location of a stored file's bytes.
Kept = Callable[[Digest], Path]


def entries(contents: Sequence[Content], take: Take, kept: Kept) -> Entries:
    """Returns the entries of the contents; raises HookError for a missing path."""
    found: Entries = {}
    for content in contents:
        found = _after(found, content, take, kept)
    return found


def placed(found: Entries, path: str, *, permissions: int = -1) -> Entries:
    """Returns the entries at a place of an image, with changed file modes if requested."""
    top = path.strip("/")
    moved = {f"{top}/{inner}".strip("/"): entry for inner, entry in found.items()}
    return {
        place: replace(entry, path=place, mode=permissions if _takes_mode(entry, permissions) else entry.mode)
        for place, entry in moved.items()
        if place
    }


def _takes_mode(entry: Entry, permissions: int) -> bool:
    return permissions >= 0 and entry.kind in ("file", "dir")


def _after(found: Entries, content: Content, take: Take, kept: Kept) -> Entries:
    match content:
        case FromContainer():
            return {**found, **_from_tree(*take(content))}
        case NewFile(path, text, permissions, encoded):
            data = _decoded(path, text) if encoded else text.encode()
            return _with(found, Entry(path=_clean(path), mode=_mode(permissions), content=data))
        case KeptFile(path, digest, permissions):
            return _with(found, Entry(path=_clean(path), mode=_mode(permissions), content=kept(Digest(digest))))
        case NewFolder(path, permissions):
            return _with(found, Entry(path=_clean(path), kind="dir", mode=_mode(permissions)))
        case NewLink(path, target):
            return _with(found, Entry(path=_clean(path), kind="symlink", mode=0o777, link=target))
        case Insert(path, inner, include, exclude, permissions):
            chosen = selected(entries(inner, take, kept), include, exclude)
            return {**found, **placed(chosen, _clean(path, empty=True), permissions=permissions)}
        case Narrow(path, file):
            return _narrowed(found, path, file=file)
        case Without(patterns):
            return selected(found, (), patterns)
        case Filter(include, exclude):
            return selected(found, include, exclude)
    raise AssertionError(f"{content} is not valid content")


def selected(found: Entries, include: Sequence[str], exclude: Sequence[str]) -> Entries:
    """Returns the entries that the patterns keep; folders stay if any of their content stays."""
    if not include and not exclude:
        return found
    kept = {
        path for path in found if (not include or matches_below(path, include)) and not matches_below(path, exclude)
    }
    needed = {path[:place] for path in kept for place, letter in enumerate(path) if letter == "/"}
    return {path: entry for path, entry in found.items() if path in kept or (include and path in needed)}


def _from_tree(tree: Tree, path: str) -> Entries:
    node = tree.resolve(path)
    if node is None:
        raise HookError(f"a hook copies {path}, which is not in the image")
    if not node.is_dir:
        return {"": diff.entry_of(node.disk, "file", node.status)}
    cut = len(node.path) + 1 if node.path else 0
    return {item.path[cut:]: diff.entry_of(item.disk, item.path, item.status) for item in tree.walk(node.path)}


def _narrowed(found: Entries, path: str, *, file: bool) -> Entries:
    place = _clean(path, empty=True)
    entry = found.get(place)
    if file or (entry and entry.kind != "dir"):
        if entry is None or entry.kind == "dir":
            raise HookError(f"a hook copies the file {path} from a folder that does not contain it")
        return {"": entry}
    inside = {inner[len(place) + 1 :]: item for inner, item in found.items() if inner.startswith(f"{place}/")}
    if place and not inside and entry is None:
        raise HookError(f"a hook copies the folder {path} from a folder that does not contain it")
    return inside if place else found


def _with(found: Entries, entry: Entry) -> Entries:
    return {**found, entry.path: entry}


def _clean(path: str, *, empty: bool = False) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in path or not (parts or empty):
        raise HookError(f"{path!r} is not a valid path inside a folder")
    return "/".join(parts)


def _mode(permissions: int) -> int:
    if not 0 <= permissions <= 0o7777:
        raise HookError(f"{permissions:#o} is not a valid file mode")
    return permissions


def _decoded(path: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HookError(f"the contents of {path} are not base64") from error


def data(entry: Entry) -> bytes:
    """A file's bytes."""
    return b"".join(tar.content(entry))
