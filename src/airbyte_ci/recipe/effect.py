"""The effect of hooks, from their layers and settings: paths, variables, users, packages, size.

Reads layers as archives; nothing is unpacked and nothing runs.
"""

import gzip
import os
import posixpath
import re
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airbyte_ci.oci import tar
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import OPAQUE, WHITEOUT
from airbyte_ci.recipe.state import AddedLayer, State
from airbyte_ci.rootfs import dpkg
from airbyte_ci.rootfs.tree import Tree

T = TypeVar("T")
# The files of an installed package: dpkg's lists, and the records of Python distributions (PyPA, Recording installs).
_LIST = re.compile(r"var/lib/dpkg/info/[^/]+\.list")
_RECORD = re.compile(r"((?:.*/)?)[^/]+\.dist-info/RECORD")
_METADATA = re.compile(r"(?:.*/)?([^/]+)-([^/-]+)\.dist-info/METADATA")
# Files in which dpkg and its triggers record package changes.
_BOOKKEEPING = re.compile(
    r"var/(lib/(dpkg|apt|pam|ucf|systemd|python)|cache|log)/.*|etc/(alternatives/.*|ld\.so\.cache|mailcap)"
    r"|usr/share/(info/dir|mime/.*)|usr/lib/mime/.*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The effect of one part of a recipe.

    Paths are relative to the image's root. New empty folders end in a slash; folders are changed if their mode or owner
    is. `size` is the sum of all files, in bytes.

    `packages` are new or changed dpkg packages: name → (version before or empty, version now or empty). `python` is the
    same for Python distributions that a command installed. `packaged` are the paths that belong to such packages; all
    other paths were added by hand. `impure` are digests of layers from commands that used the network or a cache.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    setuid: tuple[str, ...] = ()
    size: int = 0
    packages: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    variables: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    settings: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    users: tuple[str, ...] = ()
    impure: tuple[str, ...] = ()
    python: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    packaged: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "added": list(self.added),
            "changed": list(self.changed),
            "removed": list(self.removed),
            "setuid": list(self.setuid),
            "size": self.size,
            "packages": {name: list(versions) for name, versions in self.packages.items()},
            "variables": {name: list(values) for name, values in self.variables.items()},
            "settings": {name: list(values) for name, values in self.settings.items()},
            "users": list(self.users),
            "impure": list(self.impure),
            "python": {name: list(versions) for name, versions in self.python.items()},
            "packaged": list(self.packaged),
        }

    def followed_by(self, later: "Effect") -> "Effect":
        """Returns the combined effect of two parts of one recipe."""
        added, removed = set(self.added), set(self.removed)
        gone, made = set(later.removed), {*later.added, *later.changed}
        return Effect(
            added=tuple(sorted((added - gone) | (set(later.added) - removed))),
            changed=tuple(
                sorted((set(self.changed) - gone) | (set(later.changed) - added) | (set(later.added) & removed))
            ),
            removed=tuple(sorted((removed - made) | (gone - added))),
            setuid=tuple(sorted((set(self.setuid) - gone) | set(later.setuid))),
            size=self.size + later.size,
            packages=_joined(self.packages, later.packages),
            variables=_joined(self.variables, later.variables),
            settings=_joined(self.settings, later.settings),
            users=tuple(sorted({*self.users, *later.users})),
            impure=(*self.impure, *later.impure),
            python=_joined(self.python, later.python),
            packaged=tuple(sorted({*self.packaged, *later.packaged})),
        )


def between(store: Store, tree: Tree, before: State, after: State) -> Effect:
    """Returns the effect between two states of one recipe; `tree` is the root file system of the first."""
    steps = [step for step in after.steps[len(before.steps) :] if not step.lent]
    found = _paths(store, tree, [step.layer for step in steps if step.layer])
    passwd = found.texts.get("etc/passwd")
    packages = _packages(tree, found.texts.get(dpkg.STATUS))
    python = _distributions(found)
    return Effect(
        added=tuple(sorted([*(path for path in found.written if tree.entry(path) is None), *_empty(found, tree)])),
        changed=tuple(sorted({*(path for path in found.written if tree.entry(path) is not None), *found.altered})),
        removed=tuple(sorted(found.removed)),
        setuid=tuple(sorted(found.setuid)),
        size=sum(found.written.values()),
        packages=packages,
        variables=_differences(before.environment, after.environment),
        settings=_differences(_settings(before), _settings(after)),
        users=tuple(sorted(_names(passwd) - _names((tree.read("etc/passwd") or b"").decode()))) if passwd else (),
        impure=tuple(str(step.layer.descriptor.digest) for step in _impure(steps) if step.layer),
        python=python,
        packaged=_packaged(tree, found, any_package=bool(packages or python)),
    )


def _joined(first: Mapping[str, tuple[T, T]], later: Mapping[str, tuple[T, T]]) -> dict[str, tuple[T, T]]:
    """Returns the change from the first to the last value, without unchanged items."""
    both = {
        name: ((first if name in first else later)[name][0], (later if name in later else first)[name][1])
        for name in sorted({*first, *later})
    }
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def _impure(steps: Iterable[AddedLayer]) -> Iterator[AddedLayer]:
    return (step for step in steps if step.impure)


@dataclass(slots=True, kw_only=True)
class _Found:
    written: dict[str, int]
    removed: set[str]
    setuid: set[str]
    texts: dict[str, str]
    folders: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)


def _paths(store: Store, tree: Tree, layers: Iterable[Layer]) -> _Found:
    found = _Found(written={}, removed=set(), setuid=set(), texts={})
    for layer in layers:
        with (
            store.path(layer.descriptor.digest).open("rb") as blob,
            gzip.open(blob) as plain,
            tarfile.open(fileobj=plain, mode="r|") as archive,
        ):
            for member in archive:
                _note(found, tree, archive, member)
    return found


def _note(found: _Found, tree: Tree, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    folder, _, name = member.name.rpartition("/")
    if name == OPAQUE:
        gone = {node.path for node in tree.walk(folder) if not node.is_dir}
        found.removed |= gone - set(found.written)
    elif name.startswith(WHITEOUT):
        path = f"{folder}/{name.removeprefix(WHITEOUT)}".strip("/")
        node = tree.entry(path)
        if node is not None:
            found.removed |= _inside(tree, path) if node.is_dir else {path}
        for written in [item for item in found.written if item == path or item.startswith(f"{path}/")]:
            del found.written[written]
        found.folders -= {item for item in found.folders if item == path or item.startswith(f"{path}/")}
    elif member.isdir():
        found.folders.add(member.name)
        before = tree.entry(member.name)
        if before and before.is_dir and _rights(before.status) != (member.mode & 0o7777, member.uid, member.gid):
            found.altered.add(member.name)
    else:
        found.removed.discard(member.name)
        found.written[member.name] = member.size
        if member.isfile() and member.mode & (stat.S_ISUID | stat.S_ISGID):
            found.setuid.add(member.name)
        if _is_read(member.name) and (file := archive.extractfile(member)):
            found.texts[member.name] = file.read().decode(errors="replace")


def _is_read(path: str) -> bool:
    return path in (dpkg.STATUS, "etc/passwd") or _is_listing(path)


def _is_listing(path: str) -> bool:
    return (_LIST.fullmatch(path) or _RECORD.fullmatch(path)) is not None


def _distributions(found: _Found) -> dict[str, tuple[str, str]]:
    """Returns the Python distributions whose metadata was added or removed."""
    before, after = (
        {match[1]: match[2] for path in paths if (match := _METADATA.fullmatch(path))}
        for paths in (found.removed, found.written)
    )
    both = sorted({*before, *after}, key=str.lower)
    return {name: (before.get(name, ""), after.get(name, "")) for name in both}


def _packaged(tree: Tree, found: _Found, *, any_package: bool) -> tuple[str, ...]:
    """Returns the changed paths that a package lists as its own, now or before its removal."""
    if not any_package:
        return ()
    gone = {path: (tree.read(path) or b"").decode(errors="replace") for path in found.removed if _is_listing(path)}
    owned = {place for path, text in {**found.texts, **gone}.items() for place in _listed(path, text)}
    paths = sorted({*found.written, *found.removed, *_empty(found, tree)})
    return tuple(path for path in paths if path.rstrip("/") in owned or _BOOKKEEPING.fullmatch(path))


def _listed(path: str, text: str) -> Iterator[str]:
    if record := _RECORD.fullmatch(path):
        for line in text.splitlines():
            yield posixpath.normpath(record[1] + line.split(",")[0].strip('"'))
    elif _LIST.fullmatch(path):
        for line in text.split("\n"):
            place = line.strip("/")
            # Packages still list /lib/x if /lib is a link to /usr/lib.
            yield from (place, f"usr/{place}")


def _inside(tree: Tree, folder: str) -> set[str]:
    """Returns a folder's files, and its folders that no file implies."""
    nodes = list(tree.walk(folder))
    parents = {parent for node in nodes for parent in tar.parents(node.path)}
    empty = {folder, *(node.path for node in nodes if node.is_dir)} - parents
    return {node.path for node in nodes if not node.is_dir} | {f"{path}/" for path in empty}


def _rights(status: os.stat_result) -> tuple[int, int, int]:
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


def _empty(found: _Found, tree: Tree) -> Iterator[str]:
    """Returns new empty folders, which may be intended for later files."""
    parents = {parent for path in (*found.written, *found.folders) for parent in tar.parents(path)}
    return (f"{path}/" for path in found.folders if path not in parents and tree.entry(path) is None)


def _packages(tree: Tree, now: str | None) -> dict[str, tuple[str, str]]:
    if now is None:
        return {}
    before = (tree.read(dpkg.STATUS) or b"").decode(errors="replace")
    old, new = ({item.name: item.version for item in dpkg.packages(text)} for text in (before, now))
    return {name: (one or "", other or "") for name, (one, other) in _differences(old, new).items()}


def _settings(state: State) -> dict[str, Any]:
    return {key: value for key, value in state.execution.items() if key != "Env"}


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = sorted({*before, *after})
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _names(passwd: str) -> set[str]:
    return {line.split(":")[0] for line in passwd.split("\n") if line}
