"""The second reading of poetry.lock."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages import constraints
from airbyte_ci.python.packages.lock import MAIN_ONLY, LockedPackage, Wish
from tests.fuzz.readings import Edge, Graph, Table, holds, matched, normal, parse


def judge(
    lock: str, project: str, python: Interpreter, packages: Sequence[LockedPackage], wish: Wish = MAIN_ONLY
) -> list[str]:
    """poetry.lock 2.x: the selection, closed over its requirements, each within all constraints.

    Of several entries of a package, it is the newest of those for this Python that all dependents admit.
    """
    document, asked = parse(lock), parse(project)
    extras = set(map(normal, wish.extras))
    groups = {"main", *map(normal, wish.groups)}

    def files(item: Table) -> list[tuple[str, str]]:
        return [(entry["file"], entry["hash"].removeprefix("sha256:")) for entry in item["files"]]

    def fits(entry: Table) -> bool:
        return _fits(entry, groups, extras, python)

    told = [*matched(packages, document["package"], files, fits)]
    graph = Graph(dict(item for item in told if not isinstance(item, str)))
    roots = [*_roots(asked, wish, python)]
    graph.close(roots, lambda entry, extras: _edges(entry, extras, python))
    wrong = [item for item in told if isinstance(item, str)] + [*graph.judge()]
    for name, entry in graph.entries.items():
        edges = graph.of(name)
        wrong += [
            f"{name} {entry['version']} is selected and {edge.version} is asked for"
            for edge in edges
            if not _admitted(entry, edge)
        ]
        others = [item for item in document["package"] if normal(item["name"]) == name]
        if len(others) > 1:
            fitting = [item for item in others if fits(item)] or others
            good = [item for item in fitting if all(_admitted(item, edge) for edge in edges)] or fitting
            newest = max(Version(str(item["version"])) for item in good)
            if not any(entry is item for item in good) or Version(str(entry["version"])) != newest:
                wrong.append(f"{name} {entry['version']} is selected, and {newest} is what its entries mean")
    return wrong


def is_stale(before: str, now: str) -> bool:
    """Returns whether a pyproject.toml differs from the locked one in its dependencies."""

    def relevant(text: str) -> list[Any]:
        document = parse(text)
        poetry, table = document.get("tool", {}).get("poetry", {}), document.get("project", {})
        own = ("dependencies", "source", "extras", "dev-dependencies", "group")
        standard = ("requires-python", "dependencies", "optional-dependencies")
        return [*(poetry.get(key) for key in own), *(table.get(key) for key in standard)]

    return relevant(before) != relevant(now)


def _fits(entry: Table, groups: set[str], extras: set[str], python: Interpreter) -> bool:
    """By the entry's own markers (of format 2.1 one for each group) and Pythons."""
    markers = entry.get("markers")
    if isinstance(markers, dict):
        mine = groups & set(map(normal, entry.get("groups", ["main"])))
        by_group = {normal(group): text for group, text in markers.items()}
        applies = any(holds(by_group.get(group), python, extras) for group in mine)
    else:
        applies = holds(markers, python, extras)
    return applies and constraints.admits(str(entry.get("python-versions") or "*"), python.version)


def _admitted(entry: Table, edge: Edge) -> bool:
    place = entry.get("source", {}).get("reference", "PyPI")
    if edge.source is not None and place.lower() != edge.source.lower():
        return False
    try:
        return constraints.admits(edge.version, str(entry["version"]))
    except ValueError:
        return True  # only the poetry that locked knows


def _roots(project: Table, wish: Wish, python: Interpreter) -> Iterator[Edge]:
    table, poetry = project.get("project", {}), project.get("tool", {}).get("poetry", {})
    extras = set(map(normal, wish.extras))
    enabled = {
        normal(name) for key, names in poetry.get("extras", {}).items() if normal(key) in extras for name in names
    }
    standard = [*table.get("dependencies", ())]
    optional = table.get("optional-dependencies", {})
    texts = [*standard, *(text for key, more in optional.items() if normal(key) in extras for text in more)]
    for group in wish.groups:
        texts += _standard_group(project.get("dependency-groups", {}), group)
    main = {**poetry.get("dependencies", {}), **poetry.get("group", {}).get("main", {}).get("dependencies", {})}
    for text in texts:
        item = Requirement(text)
        if holds(str(item.marker) if item.marker else None, python, extras):
            yield Edge(normal(item.name), str(item.specifier) or "*", frozenset(map(normal, item.extras)))
        for key, details in main.items():
            if normal(key) == normal(item.name):
                yield from _edge(key, details, extras, enabled | {normal(key)}, python)
    tables = [] if standard else [main]
    for group in wish.groups:
        for key, value in poetry.get("group", {}).items():
            if normal(key) == normal(group):
                tables.append(value.get("dependencies", {}))
        if normal(group) == "dev":
            tables.append(poetry.get("dev-dependencies", {}))
    for name, details in (item for found in tables for item in found.items()):
        if name != "python":
            yield from _edge(name, details, extras, enabled, python)


def _standard_group(groups: Table, wanted: str) -> list[str]:
    found: list[str] = []
    for item in next((items for key, items in groups.items() if normal(key) == normal(wanted)), []):
        found += _standard_group(groups, item["include-group"]) if isinstance(item, dict) else [item]
    return found


def _edges(entry: Table, extras: set[str], python: Interpreter) -> Iterator[Edge]:
    """An extra of a package names optional dependencies, and may include other extras of the same package."""
    own, offered = normal(entry["name"]), {normal(key): value for key, value in entry.get("extras", {}).items()}
    enabled, on = set(), set(extras)
    for _ in range(len(offered) + 1):
        for extra in [*on]:
            for text in offered.get(extra, ()):
                found = re.match(r"\s*([\w.-]+)\s*(?:\[([^\]]*)\])?", text)
                assert found
                enabled.add(normal(found[1]))
                if normal(found[1]) == own:
                    on |= {normal(item.strip()) for item in (found[2] or "").split(",") if item.strip()}
    for name, details in entry.get("dependencies", {}).items():
        yield from _edge(name, details, extras, enabled, python)


def _edge(name: str, details: Any, extras: set[str], enabled: set[str], python: Interpreter) -> Iterator[Edge]:
    for item in details if isinstance(details, list) else [details]:
        table = item if isinstance(item, dict) else {"version": item}
        if table.get("optional") and normal(name) not in enabled:
            continue
        if not holds(table.get("markers"), python, extras):
            continue
        if "platform" in table and table["platform"] != python.markers["sys_platform"]:
            continue
        if "python" in table and not constraints.admits(table["python"], python.version):
            continue
        asked = frozenset(map(normal, table.get("extras", ())))
        yield Edge(normal(name), str(table.get("version", "*")), asked, table.get("source"))
