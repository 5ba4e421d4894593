"""A second, slow and plain reading of locks, which judges whether a selection matches the text.

It selects nothing itself. A selection must be closed over its requirements. Each package must be the entry that its
format's rules mean for this Python, and each file the best of that entry.
Knows each format's specification; it only takes from airbyte-ci whether a version is within poetry's constraints, for
which a table of poetry's own answers exists. Each function returns the errors; empty means none.
"""

import functools
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import MAIN_ONLY, LockedPackage, Wish

Table = dict[str, Any]
Files = Callable[[Table], list[tuple[str, str]]]


@functools.lru_cache(maxsize=16)
def parse(text: str) -> Table:
    """Returns a TOML document, which no reading changes: the same lock is read for many wishes and Pythons."""
    return tomllib.loads(text)


@functools.lru_cache(maxsize=4096)
def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def base_name(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name


def holds(marker: str | None, python: Interpreter, extras: Iterable[str] = ()) -> bool:
    return not marker or any(Marker(marker).evaluate({**python.markers, "extra": item}) for item in ("", *extras))


@dataclass(frozen=True)
class Edge:
    """A requirement: `version` is in the format's syntax, `source` an index by name."""

    name: str
    version: str
    extras: frozenset[str] = frozenset()
    source: str | None = None


Edges = Callable[[Table, set[str]], Iterator[Edge]]


@dataclass
class Graph:
    """The required names with their dependents, by a walk until nothing changes."""

    entries: dict[str, Table]
    wanted: dict[str, set[str]] = field(default_factory=dict)
    asked: list[Edge] = field(default_factory=list)

    def close(self, roots: Iterable[Edge], edges: Edges) -> None:
        pending = list(roots)
        while pending:
            edge = pending.pop()
            self.asked.append(edge)
            before = self.wanted.get(edge.name)
            if before is None or edge.extras - before:
                self.wanted[edge.name] = (before or set()) | edge.extras
                if edge.name in self.entries:
                    pending += edges(self.entries[edge.name], self.wanted[edge.name])

    def judge(self) -> Iterator[str]:
        yield from (f"{name} is asked for and not selected" for name in self.wanted.keys() - self.entries.keys())
        yield from (f"{name} is selected and nobody asks for it" for name in self.entries.keys() - self.wanted.keys())

    def of(self, name: str) -> list[Edge]:
        return [edge for edge in self.asked if edge.name == name]


def matched(
    packages: Sequence[LockedPackage], listed: Sequence[Table], files: Files, fits: Callable[[Table], bool]
) -> Iterator[str | tuple[str, Table]]:
    """Each selected package with the entry that it is, by name, version and files; of several alike one that fits."""
    names = [package.name for package in packages]
    yield from (f"{name} is selected twice" for name in set(names) if names.count(name) > 1)
    for package in packages:
        mine = sorted((file.name, file.sha256) for file in package.files)
        found = [
            item
            for item in listed
            if normal(item["name"]) == package.name
            and str(item.get("version", "")) == package.version
            and sorted(files(item)) == mine
        ]
        yield (
            (package.name, found[0] if len(found) == 1 else next(filter(fits, found), found[0]))
            if found
            else f"{package.name} {package.version} is not in the lock with these files"
        )


def chosen(packages: Sequence[LockedPackage], choices: Sequence[Choice], python: Interpreter) -> list[str]:
    """Of each package's files the wheel with the best tag, by its later build; without one the first sdist."""
    told = []
    for package, choice in zip(packages, choices, strict=True):
        if package.files and choice.file.name != (expected := _best([file.name for file in package.files], python)):
            told.append(f"{choice.file.name} is chosen of {package.name}, and {expected} is better")
    return told


def _best(names: Sequence[str], python: Interpreter) -> str:
    places = _places(python.version, python.markers["platform_machine"], python)
    wheels = []
    for name in names:
        build, tags = _wheel(name)
        if found := [places[tag] for tag in tags if tag in places]:
            wheels.append((min(found), build, name))
    if wheels:
        first = min(place for place, _, _ in wheels)
        return max((build, name) for place, build, name in wheels if place == first)[1]
    return next((name for name in names if name.endswith((".tar.gz", ".zip"))), "nothing")


_PLACES: dict[tuple[str, str], dict[Tag, int]] = {}


def _places(version: str, machine: str, python: Interpreter) -> dict[Tag, int]:
    """The rank of each tag of an interpreter, the best first; called thousands of times for a few interpreters."""
    if (version, machine) not in _PLACES:
        _PLACES[version, machine] = {tag: place for place, tag in enumerate(python.tags())}
    return _PLACES[version, machine]


@functools.lru_cache(100_000)
def _wheel(name: str) -> tuple[object, frozenset[Tag]]:
    try:
        _, _, build, tags = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return (), frozenset()
    return build, tags


def pylock(
    lock: str, _: str, python: Interpreter, packages: Sequence[LockedPackage], wish: Wish = MAIN_ONLY
) -> list[str]:
    """PEP 751: every package whose marker holds and no other, each by its best wheel."""
    document = parse(lock)
    context: dict[str, str | AbstractSet[str]] = {
        **python.markers,
        "extras": frozenset(wish.extras),
        "dependency_groups": frozenset(document.get("default-groups", ())) | set(wish.groups),
    }
    listed = [
        item
        for item in document["packages"]
        if not item.get("marker") or Marker(item["marker"]).evaluate(context, context="lock_file")
    ]
    wrong = []
    if sorted(normal(item["name"]) for item in listed) != sorted(package.name for package in packages):
        wrong.append("the packages are not those whose markers hold")
    for package in packages:
        offered = [
            (entry.get("name") or base_name(entry["url"]), entry["hashes"].get("sha256"))
            for item in listed
            if normal(item["name"]) == package.name and Version(item["version"]) == Version(package.version)
            for entry in [*item.get("wheels", ()), *([item["sdist"]] if item.get("sdist") else [])]
        ]
        best = _best([name for name, _ in offered], python)
        if [(file.name, file.sha256) for file in package.files] not in [[item] for item in offered if item[0] == best]:
            wrong.append(f"{package.name} {package.version} is not in the lock with these files")
    return wrong


Line = tuple[str, str, frozenset[str], frozenset[str], bool]


def requirements(text: str, entries: Iterable[Line], python: Interpreter) -> list[str]:
    """Hashed requirements: every logical line is one requirement with its hashes, and holds or does not; no more.

    `entries` are name, specifier, hashes, extras, and whether it applies.
    """
    logical = re.sub(r"\\\r?\n", " ", text)
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in logical.splitlines()]
    found = []
    for line in filter(None, lines):
        if line.startswith("."):  # a folder next to the connector, which is on no index
            continue
        item = Requirement(re.split(r"\s--", line)[0])
        hashes = frozenset(re.findall(r"--hash[= ]sha256:([0-9a-f]+)", line))
        applies = holds(str(item.marker) if item.marker else None, python)
        extras = frozenset(map(normal, item.extras))
        found.append((normal(item.name), str(item.specifier), hashes, extras, applies))

    def order(item: Line) -> list[object]:
        return [item[0], item[1], sorted(item[2]), sorted(item[3]), item[4]]

    same = sorted(found, key=order) == sorted(entries, key=order)
    return [] if same else ["what is asked for is something else"]
