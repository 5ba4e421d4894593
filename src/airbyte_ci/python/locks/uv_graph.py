"""The graph of a uv.lock: from the project's dependencies along the lock's, if their markers hold, like uv.

Extras and groups that exclude each other (`[tool.uv] conflicts`) fork a lock: its markers then name them with their
package, as `extra == 'extra-8-source-x-cpu'`. Knows tables as uv writes them, and not whether the lock is current.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import Wish

Table = Mapping[str, Any]

# For uv this means that the extra is active. PEP 751's markers support this, PEP 508's only one extra at a time.
_EXTRA = re.compile(r"""\bextra\s*(?P<operator>==|!=)\s*(?P<name>'[^']*'|"[^"]*")""")
_AMONG = {"==": "in", "!=": "not in"}


def select(
    lock: Table, root: Table, interpreter: Interpreter, what: str, wish: Wish
) -> list[tuple[Table, tuple[str, ...]]]:
    """Returns the entries that the root needs, each with the names of its dependents; raises LockError.

    Raises KeyError, TypeError, AttributeError or ValueError for tables that uv did not write.
    """
    return _Graph(lock, root, interpreter, what, wish).select()


class _Graph:
    """One lock for one interpreter. A class because every step needs both."""

    def __init__(self, lock: Table, root: Table, interpreter: Interpreter, what: str, wish: Wish) -> None:
        self._root = root
        self._interpreter = interpreter
        self._what = what
        self._entries: dict[str, list[Table]] = {}
        for entry in lock.get("package") or []:
            self._entries.setdefault(canonicalize_name(entry["name"]), []).append(entry)
        self._conflicts: list[list[Table]] = lock.get("conflicts") or []
        name = canonicalize_name(root["name"])
        self._active = {_encoded("project", name)}
        self._active |= {_encoded("extra", name, extra) for extra in wish.extras}
        self._active |= {_encoded("group", name, group) for group in wish.groups}
        self._asked = [("", edge) for edge in root.get("dependencies") or []]
        self._asked += [("", edge) for extra in wish.extras for edge in under(root.get("optional-dependencies"), extra)]
        self._asked += [("", edge) for group in wish.groups for edge in under(root.get("dev-dependencies"), group)]

    def select(self) -> list[tuple[Table, tuple[str, ...]]]:
        # Dependencies also activate extras (`lib[cpu]`); a first walk finds them, like in uv.
        for _, edge in self._walk(collect=True):
            self._active |= set(_extras(edge))
        self._refuse_conflicts()
        chosen: dict[str, Table] = {}
        asked: dict[str, set[str]] = {}
        for by, edge in self._walk(collect=False):
            name = canonicalize_name(edge["name"])
            entry = self._entry(edge)
            if chosen.setdefault(name, entry) is not entry:
                raise LockError(
                    f"{self._what} has {name} twice for the selected groups and extras: {_shown(chosen[name])} and "
                    f"{_shown(entry)}",
                    advice="select only groups and extras that do not conflict, or run `uv lock`",
                )
            asked.setdefault(name, set()).add(by)
        return [(entry, tuple(sorted(asked[name]))) for name, entry in chosen.items() if entry is not self._root]

    def _walk(self, *, collect: bool) -> Iterator[tuple[str, Table]]:
        """Yields every edge that holds, breadth first; while extras are collected, an edge's own extras apply to
        itself.
        """
        pending = [*self._asked]
        seen: set[tuple[int, str]] = set()
        for by, edge in pending:  # grows in the loop
            own = _extras(edge) if collect else {}
            if "marker" in edge and not self._holds(str(edge["marker"]), own):
                continue
            yield by, edge
            entry = self._entry(edge)
            name = canonicalize_name(entry["name"])
            # As a dependency, the root only adds its extras: its own requirements are included anyway.
            for extra in ("", *map(canonicalize_name, edge.get("extra") or ())):
                if (id(entry), extra) not in seen:
                    seen.add((id(entry), extra))
                    optional = entry.get("optional-dependencies")
                    more = under(optional, extra) if extra else entry.get("dependencies") or []
                    pending += [(name, item) for item in more]

    def _holds(self, marker: str, more: Collection[str] = ()) -> bool:
        if "extra" not in marker:
            return Marker(marker).evaluate(dict(self._interpreter.markers))
        text = _EXTRA.sub(lambda found: f"{found['name']} {_AMONG[found['operator']]} extras", marker)
        environment: Any = {**self._interpreter.markers, "extras": self._active.union(more)}
        return Marker(text).evaluate(environment, context="lock_file")

    def _entry(self, edge: Table) -> Table:
        fitting = [
            entry
            for entry in self._entries.get(canonicalize_name(edge["name"]), [])
            if all(key not in edge or entry.get(key) == edge[key] for key in ("version", "source"))
        ]
        if len(fitting) > 1:
            fitting = [entry for entry in fitting if self._applies(entry)]
        if len(fitting) != 1:
            count = "no" if not fitting else "several"
            raise LockError(
                f"{self._what} has {count} {edge['name']} for this Python and platform",
                advice="`uv lock`",
                error_id="lock-incomplete",
            )
        return fitting[0]

    def _applies(self, entry: Table) -> bool:
        markers = entry.get("resolution-markers") or []
        return not markers or any(map(self._holds, markers))

    def _refuse_conflicts(self) -> None:
        """Refuses extras that exclude each other, like uv."""
        for alternatives in self._conflicts:
            active = [_named(item) for item in alternatives if _of_conflict(item) in self._active]
            if len(active) > 1:
                raise LockError(
                    f"{self._what}: {' and '.join(active)} conflict (tool.uv.conflicts in pyproject.toml)",
                    advice="select only one of them: set groups and extras in .airbyte-ci.toml",
                )


def under(table: Any, name: str) -> list[Any]:  # noqa: ANN401  # parsed data
    """Returns the list under a name in any spelling."""
    return [
        item
        for key, items in (table or {}).items()
        if canonicalize_name(key) == canonicalize_name(name)
        for item in items
    ]


def _extras(edge: Table) -> dict[str, None]:
    name = canonicalize_name(edge["name"])
    return {_encoded("extra", name, extra): None for extra in edge.get("extra") or ()}


def _encoded(kind: str, package: str, name: str = "") -> str:
    """Returns the name in markers: the length shows where the package's name ends."""
    return f"{kind}-{len(package)}-{package}" + (f"-{canonicalize_name(name)}" if name else "")


def _of_conflict(item: Table) -> str:
    package = canonicalize_name(item["package"])
    kind = next((kind for kind in ("extra", "group") if kind in item), "project")
    return _encoded(kind, package, str(item.get(kind) or ""))


def _named(item: Table) -> str:
    kind = next((kind for kind in ("extra", "group") if kind in item), "package")
    return f"the {kind} {item[kind]} of {item['package']}" if kind != "package" else f"the package {item['package']}"


def _shown(entry: Table) -> str:
    source = ", ".join(f"{kind} {place}" for kind, place in (entry.get("source") or {}).items())
    return f"{entry.get('version') or 'no version'} ({source})"
