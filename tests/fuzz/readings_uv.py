"""The second reading of uv.lock."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from packaging.requirements import Requirement

from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import MAIN_ONLY, LockedPackage, Wish
from tests.fuzz.readings import Edge, Graph, Table, base_name, holds, matched, normal, parse


def judge(
    lock: str, project: str, python: Interpreter, packages: Sequence[LockedPackage], wish: Wish = MAIN_ONLY
) -> list[str]:
    """uv.lock 1: what of the project's entry is wished, closed over what it needs.

    Of several entries of a package it is the one with the version of every edge that leads to it, for this Python.
    """
    document, table = parse(lock), parse(project)["project"]

    def fits(entry: Table) -> bool:
        return _fits(entry, python)

    told = [*matched(packages, document["package"], _files, fits)]
    graph = Graph(dict(item for item in told if not isinstance(item, str)))
    (root,) = (
        item
        for item in document["package"]
        if normal(item["name"]) == normal(table["name"]) and "registry" not in item["source"]
    )
    roots = [*root.get("dependencies", ()), *_listed(root.get("optional-dependencies", {}), wish.extras)]
    roots += _listed(root.get("dev-dependencies", {}), wish.groups)
    graph.close(_edge_list(roots, python), lambda entry, extras: _edges(entry, extras, python))
    wrong = [item for item in told if isinstance(item, str)] + [*graph.judge()]
    for name, entry in graph.entries.items():
        for edge in graph.of(name):
            if edge.version not in ("*", entry.get("version")):
                wrong.append(f"{name} {entry.get('version')} is selected and {edge.version} is asked for")
            alike = [item for item in document["package"] if normal(item["name"]) == name]
            alike = [item for item in alike if edge.version in ("*", item.get("version"))]
            if len(alike) > 1 and not fits(entry):
                wrong.append(f"{name} {entry.get('version')} is selected, and its entry is for another Python")
    if _asked(table, wish, python) != _recorded(root, wish, python):
        wrong.append("the lock was made for other requirements")
    return wrong


def _listed(tables: Table, names: Iterable[str]) -> list[Any]:
    wanted = set(map(normal, names))
    return [item for key, items in tables.items() if normal(key) in wanted for item in items]


def _fits(entry: Table, python: Interpreter) -> bool:
    markers = entry.get("resolution-markers") or []
    return not markers or any(holds(text, python) for text in markers)


def _edges(entry: Table, extras: set[str], python: Interpreter) -> Iterator[Edge]:
    optional = entry.get("optional-dependencies", {})
    listed = [*entry.get("dependencies", ()), *(item for extra in extras for item in optional.get(extra, ()))]
    return _edge_list(listed, python)


def _edge_list(listed: Iterable[Table], python: Interpreter) -> Iterator[Edge]:
    for item in listed:
        if holds(item.get("marker"), python):
            extras = frozenset(map(normal, item.get("extra", ())))
            yield Edge(normal(item["name"]), item.get("version", "*"), extras)


_Asked = set[tuple[str, frozenset[str], str]]


def _asked(table: Table, wish: Wish, python: Interpreter) -> _Asked:
    texts = [*table.get("dependencies", ()), *_listed(table.get("optional-dependencies", {}), wish.extras)]
    return _requirements(map(Requirement, texts), wish, python)


def _recorded(root: Table, wish: Wish, python: Interpreter) -> _Asked:
    items = []
    for item in root.get("metadata", {}).get("requires-dist", ()):
        extras = f"[{','.join(item['extras'])}]" if item.get("extras") else ""
        marker = f" ; {item['marker']}" if item.get("marker") else ""
        items.append(Requirement(f"{item['name']}{extras}{item.get('specifier', '')}{marker}"))
    return _requirements(items, wish, python)


def _requirements(items: Iterable[Requirement], wish: Wish, python: Interpreter) -> _Asked:
    return {
        (normal(item.name), frozenset(map(normal, item.extras)), str(item.specifier))
        for item in items
        if holds(str(item.marker) if item.marker else None, python, wish.extras)
    }


def _files(item: Table) -> list[tuple[str, str]]:
    entries = [*item.get("wheels", ()), *([item["sdist"]] if item.get("sdist") else [])]
    return [(base_name(entry.get("url", "")), entry["hash"].removeprefix("sha256:")) for entry in entries]
