"""Whether a uv.lock is current: uv records its inputs, and they must equal the current pyproject.toml.

Only inputs that can change the installation for this interpreter and selection are compared: requirements with their
origins, constraints, overrides, exclusions and the Python. Markers are compared by meaning, because uv writes them in
its own form.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks.uv_graph import Table, under
from airbyte_ci.python.packages import origins
from airbyte_ci.python.packages.lock import Wish

_PATHS = ("path", "directory", "editable", "virtual")
_OF_GIT = ("rev", "tag", "branch", "subdirectory")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A requirement in a normalized form: equal for pyproject.toml and the lock if the meaning is the same."""

    name: str
    extras: frozenset[str]
    specifier: SpecifierSet
    kind: str = ""
    place: Any = ""


def check(lock: Table, root: Table, project: Table, interpreter: Interpreter, where: str, wish: Wish) -> None:
    """Raises LockError for a lock with other inputs, and for a project for another Python.

    Raises InvalidRequirement, KeyError and the like for invalid tables.
    """
    table = project.get("project") or {}
    python = str(table.get("requires-python") or "")
    if not SpecifierSet(python).contains(interpreter.version, prereleases=True):
        raise LockError(
            f"{where}/pyproject.toml is for Python {python}, but the base image has Python {interpreter.version}",
            advice="choose a base image with a supported Python",
            error_id="lock-for-other-python",
        )
    names = {
        *_differing(root, project, interpreter, wish),
        *_differing_rules(lock.get("manifest") or {}, _uv(project), interpreter),
    }
    if names:
        raise LockError(
            f"{where}/uv.lock does not match pyproject.toml: the project changed after the lock was created "
            f"({', '.join(sorted(names))})",
            advice=f"cd {where} && uv lock",
            error_id="lock-out-of-date",
        )


def _differing(root: Table, project: Table, interpreter: Interpreter, wish: Wish) -> set[str]:
    """Returns the names of requirements that differ from the locked ones."""
    table, recorded = project.get("project") or {}, root.get("metadata") or {}
    sources = _Sources(project, interpreter)
    now = list(sources.asked(table.get("dependencies") or ()))
    then = [*(recorded.get("requires-dist") or ())]
    for extra in wish.extras:
        now += sources.asked(under(table.get("optional-dependencies"), extra), extra=canonicalize_name(extra))
    for group in wish.groups:
        items = under(project.get("dependency-groups"), group)
        if all(isinstance(item, str) for item in items):  # uv records included groups in its own way
            now += sources.asked(items, group=canonicalize_name(group))
            then += under(recorded.get("requires-dev"), group)
    extras = ("", *map(canonicalize_name, wish.extras))
    return _names(
        (item for item, marker in now if _holds(marker, interpreter, extras)),
        (_recorded(item, sources.vague) for item in then if _holds(_marker(item), interpreter, extras)),
    )


def _differing_rules(manifest: Table, uv: Table, interpreter: Interpreter) -> Iterator[str]:
    """Yields the differing constraints, overrides and exclusions. For direct locations, uv records no versions."""
    sourced = {
        canonicalize_name(name)
        for name, items in (uv.get("sources") or {}).items()
        if any("index" not in item for item in (items if isinstance(items, list) else [items]))
    }
    for key in ("constraint", "override"):
        now = [Requirement(text) for text in uv.get(f"{key}-dependencies") or () if isinstance(text, str)]
        then = [item for item in manifest.get(f"{key}s") or () if isinstance(item, dict)]
        names = _names(
            (_rule(item.name, item.specifier) for item in now if _holds(item.marker, interpreter)),
            (_rule(item["name"], item.get("specifier", "")) for item in then if _holds(_marker(item), interpreter)),
        )
        yield from names - sourced
    excluded = set(map(canonicalize_name, uv.get("exclude-dependencies") or ()))
    yield from excluded ^ set(map(canonicalize_name, manifest.get("excludes") or ()))


def _rule(name: str, specifier: SpecifierSet | str) -> _Asked:
    return _Asked(canonicalize_name(name), frozenset(), SpecifierSet(str(specifier)))


def _names(now: Iterable[_Asked], then: Iterable[_Asked]) -> set[str]:
    return {item.name for item in set(now) ^ set(then)}


def _holds(marker: Marker | None, interpreter: Interpreter, extras: Iterable[str] = ("",)) -> bool:
    return marker is None or any(marker.evaluate({**interpreter.markers, "extra": extra}) for extra in extras)


def _marker(item: Table) -> Marker | None:
    return Marker(str(item["marker"])) if item.get("marker") else None


def _uv(project: Table) -> Table:
    table = (project.get("tool") or {}).get("uv") or {}
    return table if isinstance(table, dict) else {}


# --- where things come from ----------------------------------------------------------------------


class _Sources:
    """Reads `[tool.uv.sources]`; of the names in `vague`, only the kind of source can be compared."""

    def __init__(self, project: Table, interpreter: Interpreter) -> None:
        uv = _uv(project)
        tables = {} if uv.get("no-sources") is True else uv.get("sources") or {}
        self._interpreter = interpreter
        self._sources: dict[str, list[Table]] = {
            canonicalize_name(name): items if isinstance(items, list) else [items] for name, items in tables.items()
        }
        self._indexes = {str(item.get("name")): str(item.get("url")) for item in uv.get("index") or ()}
        self.vague = {name for name, items in self._sources.items() if any(map(self._is_vague, items))}

    def _is_vague(self, source: Table) -> bool:
        """Compares loosely: a workspace member has any path, an index may be the user's, a folder absolute."""
        known = "index" not in source or source["index"] in self._indexes
        return bool(source.get("workspace")) or not known or str(source.get("path") or "").startswith(("/", "~"))

    def asked(
        self, texts: Iterable[str], *, extra: str = "", group: str = ""
    ) -> Iterator[tuple[_Asked, Marker | None]]:
        """Returns the requirements, each with its origin for this interpreter, and its own marker."""
        for text in texts:
            requirement = Requirement(text)
            name = canonicalize_name(requirement.name)
            extras = frozenset(map(canonicalize_name, requirement.extras))
            found = [self._place(item) for item in self._sources.get(name, ()) if self._applies(item, extra, group)]
            if not found and requirement.url:
                found = [_of_url(requirement.url)]
                if found[0][0] == "path":  # a file: URL is absolute, and may be recorded as relative
                    self.vague.add(name)
            for kind, place in found or [("", "")]:
                specifier = requirement.specifier if kind in ("", "index") else SpecifierSet()
                yield (
                    _Asked(name, extras, specifier=specifier, kind=kind, place="" if name in self.vague else place),
                    requirement.marker,
                )

    def _applies(self, source: Table, extra: str, group: str) -> bool:
        for key, wanted in (("extra", extra), ("group", group)):
            if key in source and canonicalize_name(str(source[key])) != wanted:
                return False
        return _holds(_marker(source), self._interpreter)

    def _place(self, source: Table) -> tuple[str, Any]:
        if "git" in source:
            return "git", _git(str(source["git"]), {key: str(source[key]) for key in _OF_GIT if source.get(key)})
        if "url" in source:
            return "url", _plain(str(source["url"]))
        if "index" in source:
            return "index", _plain(self._indexes.get(str(source["index"]), ""))
        return "path", posixpath.normpath(str(source.get("path") or "."))


def _recorded(item: Table, vague: set[str]) -> _Asked:
    name = canonicalize_name(item["name"])
    kind: str = ""
    place: Any = ""
    if "git" in item:
        parts = urlsplit(str(item["git"]))
        details = {key: value for key, value in parse_qsl(parts.query) if key in _OF_GIT}
        kind, place = "git", _git(urlunsplit(parts._replace(query="", fragment="")), details)
    elif "url" in item:
        kind, place = "url", _plain(str(item["url"]))
    elif "index" in item:
        kind, place = "index", _plain(str(item["index"]))
    elif found := next((key for key in _PATHS if key in item), None):
        kind, place = "path", posixpath.normpath(str(item[found]))
    specifier = SpecifierSet(item.get("specifier", "")) if kind in ("", "index") else SpecifierSet()
    extras = frozenset(map(canonicalize_name, item.get("extras") or ()))
    return _Asked(name, extras, specifier=specifier, kind=kind, place="" if name in vague else place)


def _of_url(url: str) -> tuple[str, Any]:
    """Returns uv's form of `name @ url`."""
    if not url.startswith("git+"):
        return ("path", "") if url.startswith("file:") else ("url", _plain(url))
    parts = urlsplit(url.removeprefix("git+"))
    path, at, revision = parts.path.rpartition("@")
    details = dict(parse_qsl(parts.fragment))
    found = {"subdirectory": details["subdirectory"]} if "subdirectory" in details else {}
    bare = urlunsplit(parts._replace(path=path if at else revision, fragment="", query=""))
    return "git", _git(bare, {**found, **({"rev": revision} if at else {})})


def _git(url: str, details: Mapping[str, str]) -> tuple[str, frozenset[tuple[str, str]]]:
    return _plain(url.removeprefix("git+")), frozenset(details.items())


def _plain(url: str) -> str:
    return origins.public(url).partition("#")[0].rstrip("/")
