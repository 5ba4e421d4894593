"""A second, slow and plain reading of locks: whether a selection is what the text says.

Knows each format's specification; what it takes from ours is only whether a version is within poetry's constraints,
which has a table of poetry's own answers. Each function gives what is wrong, and nothing where nothing is.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.version import Version

from airbyte_ci.python import constraints
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import LockedPackage

Table = dict[str, Any]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _holds(marker: str | None, python: Interpreter, extras: Iterable[str] = ()) -> bool:
    return not marker or any(Marker(marker).evaluate({**python.markers, "extra": item}) for item in ("", *extras))


@dataclass
class Graph:
    """Names that must be there because something asks for them, and what asks, by a walk until nothing changes."""

    entries: dict[str, Table]
    wanted: dict[str, set[str]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def close(self, roots: Iterable[tuple[str, str, set[str]]], edges: Any) -> None:
        pending = list(roots)
        while pending:
            name, constraint, extras = pending.pop()
            self.asked.append((name, constraint))
            before = self.wanted.get(name)
            if before is None or extras - before:
                self.wanted[name] = (before or set()) | extras
                if name in self.entries:
                    pending += edges(self.entries[name], self.wanted[name])

    def judge(self) -> Iterator[str]:
        yield from (f"{name} is asked for and not selected" for name in self.wanted.keys() - self.entries.keys())
        yield from (f"{name} is selected and nobody asks for it" for name in self.entries.keys() - self.wanted.keys())


def _matched(
    packages: Sequence[LockedPackage], listed: Sequence[Table], files: Any
) -> Iterator[str | tuple[str, Table]]:
    """Each selected package with the entry that it is, by name, version and files."""
    names = [package.name for package in packages]
    yield from (f"{name} is selected twice" for name in set(names) if names.count(name) > 1)
    for package in packages:
        mine = sorted((file.name, file.sha256) for file in package.files)
        found = [
            item
            for item in listed
            if _normal(item["name"]) == package.name
            and str(item.get("version", "")) == package.version
            and sorted(files(item)) == mine
        ]
        yield (
            (package.name, found[0])
            if found
            else f"{package.name} {package.version} is not in the lock with these files"
        )


def poetry(lock: str, project: str, python: Interpreter, packages: Sequence[LockedPackage]) -> list[str]:
    """poetry.lock 2.x: main dependencies, closed over what they need, each within everyone's constraints."""
    document, asked = tomllib.loads(lock), tomllib.loads(project)
    files = lambda item: [(entry["file"], entry["hash"].removeprefix("sha256:")) for entry in item["files"]]  # noqa: E731
    told = [*_matched(packages, document["package"], files)]
    graph = Graph(dict(item for item in told if not isinstance(item, str)))
    graph.close(_poetry_roots(asked, python), lambda entry, extras: _poetry_edges(entry, extras, python))
    wrong = [item for item in told if isinstance(item, str)] + [*graph.judge()]
    for name, constraint in graph.asked:
        if name in graph.entries and not _admits(constraint, graph.entries[name]["version"]):
            wrong.append(f"{name} {graph.entries[name]['version']} is selected and {constraint} is asked for")
    return wrong


def _admits(constraint: str, version: str) -> bool:
    try:
        return constraints.admits(constraint, version)
    except ValueError:
        return True  # nobody but the poetry that locked can say


def _poetry_roots(project: Table, python: Interpreter) -> Iterator[tuple[str, str, set[str]]]:
    standard = project.get("project", {}).get("dependencies")
    for text in standard or ():
        item = Requirement(text)
        if _holds(str(item.marker) if item.marker else None, python):
            yield _normal(item.name), str(item.specifier) or "*", set(map(_normal, item.extras))
    if not standard:
        for name, details in project["tool"]["poetry"]["dependencies"].items():
            if name != "python":
                yield from _poetry_edge(name, details, set(), set(), python)


def _poetry_edges(entry: Table, extras: set[str], python: Interpreter) -> Iterator[tuple[str, str, set[str]]]:
    """An extra of a package names optional dependencies, and may ask for other extras of the same package."""
    own, offered = _normal(entry["name"]), {_normal(key): value for key, value in entry.get("extras", {}).items()}
    enabled, on = set(), set(extras)
    for _ in range(len(offered) + 1):
        for extra in [*on]:
            for text in offered.get(extra, ()):
                found = re.match(r"\s*([\w.-]+)\s*(?:\[([^\]]*)\])?", text)
                assert found
                enabled.add(_normal(found[1]))
                if _normal(found[1]) == own:
                    on |= {_normal(item.strip()) for item in (found[2] or "").split(",") if item.strip()}
    for name, details in entry.get("dependencies", {}).items():
        yield from _poetry_edge(name, details, on, enabled, python)


def _poetry_edge(
    name: str, details: Any, extras: set[str], enabled: set[str], python: Interpreter
) -> Iterator[tuple[str, str, set[str]]]:
    for item in details if isinstance(details, list) else [details]:
        table = item if isinstance(item, dict) else {"version": item}
        if table.get("optional") and _normal(name) not in enabled:
            continue
        if not _holds(table.get("markers"), python, extras):
            continue
        if "platform" in table and table["platform"] != python.markers["sys_platform"]:
            continue
        if "python" in table and not constraints.admits(table["python"], python.version):
            continue
        yield _normal(name), str(table.get("version", "*")), set(map(_normal, table.get("extras", ())))


def uv(lock: str, project: str, python: Interpreter, packages: Sequence[LockedPackage]) -> list[str]:
    """uv.lock 1: the project's entry, closed over what it needs."""
    document, name = tomllib.loads(lock), _normal(tomllib.loads(project)["project"]["name"])
    told = [*_matched(packages, document["package"], _uv_files)]
    graph = Graph(dict(item for item in told if not isinstance(item, str)))
    (root,) = (
        item for item in document["package"] if _normal(item["name"]) == name and "registry" not in item["source"]
    )
    graph.close(_uv_edges(root, set(), python), lambda entry, extras: _uv_edges(entry, extras, python))
    return [item for item in told if isinstance(item, str)] + [*graph.judge()]


def _uv_edges(entry: Table, extras: set[str], python: Interpreter) -> Iterator[tuple[str, str, set[str]]]:
    optional = entry.get("optional-dependencies", {})
    for item in [*entry.get("dependencies", ()), *(item for extra in extras for item in optional.get(extra, ()))]:
        if _holds(item.get("marker"), python):
            yield _normal(item["name"]), "*", set(map(_normal, item.get("extra", ())))


def _uv_files(item: Table) -> list[tuple[str, str]]:
    entries = [*item.get("wheels", ()), *([item["sdist"]] if item.get("sdist") else [])]
    return [(_base_name(entry.get("url", "")), entry["hash"].removeprefix("sha256:")) for entry in entries]


def _base_name(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name


def pylock(lock: str, _: str, python: Interpreter, packages: Sequence[LockedPackage]) -> list[str]:
    """PEP 751: every package whose marker holds and no other, each with one of its files."""
    listed = [item for item in tomllib.loads(lock)["packages"] if _holds(item.get("marker"), python)]
    wrong = []
    if sorted(_normal(item["name"]) for item in listed) != sorted(package.name for package in packages):
        wrong.append("the packages are not those whose markers hold")
    for package in packages:
        offered = [
            (entry.get("name") or _base_name(entry["url"]), entry["hashes"].get("sha256"))
            for item in listed
            if _normal(item["name"]) == package.name and Version(item["version"]) == Version(package.version)
            for entry in [*item.get("wheels", ()), *([item["sdist"]] if item.get("sdist") else [])]
        ]
        if not package.files or any((file.name, file.sha256) not in offered for file in package.files):
            wrong.append(f"{package.name} {package.version} is not in the lock with these files")
    return wrong


def requirements(text: str, entries: Iterable[tuple[str, str, frozenset[str]]]) -> list[str]:
    """Hashed requirements: every logical line is one requirement (name, specifier) with its hashes; no more."""
    logical = re.sub(r"\\\r?\n", " ", text)
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in logical.splitlines()]
    found = []
    for line in filter(None, lines):
        if line.startswith("."):  # a folder beside the connector, which is of no index
            continue
        item = Requirement(re.split(r"\s--", line)[0])
        hashes = frozenset(re.findall(r"--hash[= ]sha256:([0-9a-f]+)", line))
        found.append((_normal(item.name), str(item.specifier), hashes))
    return [] if sorted(found, key=str) == sorted(entries, key=str) else ["what is asked for is something else"]
