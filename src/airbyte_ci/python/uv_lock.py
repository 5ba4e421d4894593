"""uv.lock (version 1) with its pyproject.toml → the packages that one interpreter needs.

The selection is uv's own: from the project's dependencies along the lock's, where markers hold.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from airbyte_ci.errors import LockError
from airbyte_ci.python import toml
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import Lock, LockedFile, LockedPackage

_Entry = Mapping[str, Any]


def select(lock_text: str, pyproject_text: str, interpreter: Interpreter, where: str) -> Lock:
    """The project's own dependencies for this interpreter, no groups; raises LockError."""
    what = f"{where}/uv.lock"
    lock = toml.parse(lock_text, what)
    project = toml.parse(pyproject_text, f"{where}/pyproject.toml")
    if lock.get("version") != 1:
        raise LockError(f"{what} has version {lock.get('version')!r}, and only 1 is understood")
    try:
        _check_python(lock, interpreter, what)
        root = _root(lock, project, what)
        _check_current(root, project, interpreter, where)
        chosen = _walk(lock, root, interpreter, what)
        packages = (_package(entry, askers, what) for entry, askers in chosen)
        return Lock("uv", tuple(sorted(packages, key=lambda item: item.name)))
    except (InvalidMarker, InvalidSpecifier, InvalidRequirement) as error:
        raise LockError(f"{what} cannot be understood: {str(error).splitlines()[0]}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise LockError(f"{what} is damaged: {error!r} where a package was expected", advice="`uv lock`") from error


def _check_python(lock: _Entry, interpreter: Interpreter, what: str) -> None:
    wanted = str(lock.get("requires-python") or "")
    if not SpecifierSet(wanted).contains(interpreter.version, prereleases=True):
        raise LockError(
            f"{what} is for Python {wanted}, and the base image has Python {interpreter.version}",
            advice="choose a base image with an admitted Python, or lock again",
        )


def _root(lock: _Entry, project: _Entry, what: str) -> _Entry:
    """The project itself among the packages: uv lists it with a source in this folder."""
    name = canonicalize_name(str((project.get("project") or {}).get("name") or ""))
    for entry in lock.get("package") or []:
        source = entry.get("source") or {}
        if canonicalize_name(entry["name"]) == name and (source.get("virtual") or source.get("editable")) == ".":
            found: _Entry = entry
            return found
    raise LockError(f"{what} does not lock {name or 'a project'}, which pyproject.toml describes", advice="`uv lock`")


def _check_current(root: _Entry, project: _Entry, interpreter: Interpreter, where: str) -> None:
    """uv records what it locked for: the requirements of then must be those of now, for this interpreter.

    Markers are compared by what they mean here, because uv spells them anew.
    """
    now = map(Requirement, (project.get("project") or {}).get("dependencies") or [])
    then = map(_recorded, (root.get("metadata") or {}).get("requires-dist") or [])
    if _normal(now, interpreter) != _normal(then, interpreter):
        raise LockError(
            f"{where}/uv.lock does not match pyproject.toml: it was changed after the lock was made",
            advice=f"cd {where} && uv lock",
        )


def _recorded(item: _Entry) -> Requirement:
    extras = f"[{','.join(item['extras'])}]" if item.get("extras") else ""
    marker = f" ; {item['marker']}" if item.get("marker") else ""
    return Requirement(f"{item['name']}{extras}{item.get('specifier', '')}{marker}")


def _normal(
    requirements: Iterable[Requirement], interpreter: Interpreter
) -> set[tuple[str, frozenset[str], SpecifierSet]]:
    environment = {**interpreter.markers, "extra": ""}
    return {
        (canonicalize_name(item.name), frozenset(map(canonicalize_name, item.extras)), item.specifier)
        for item in requirements
        if item.marker is None or item.marker.evaluate(environment)
    }


def _walk(lock: _Entry, root: _Entry, interpreter: Interpreter, what: str) -> Iterator[tuple[_Entry, tuple[str, ...]]]:
    entries: dict[str, list[_Entry]] = {}
    for entry in lock.get("package") or []:
        entries.setdefault(canonicalize_name(entry["name"]), []).append(entry)
    asked: dict[str, set[str]] = {}
    chosen: dict[str, _Entry] = {}
    pending = [("", edge) for edge in root.get("dependencies") or []]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        by, edge = pending.pop()
        if "marker" in edge and not Marker(edge["marker"]).evaluate(dict(interpreter.markers)):
            continue
        name = canonicalize_name(edge["name"])
        extras = frozenset(canonicalize_name(extra) for extra in edge.get("extra") or ())
        entry = _entry(entries.get(name, []), edge, interpreter, what)
        chosen[name] = entry
        asked.setdefault(name, set()).add(by)
        if (name, extras) not in seen:
            seen.add((name, extras))
            pending += [(name, item) for item in entry.get("dependencies") or []]
            optional = entry.get("optional-dependencies") or {}
            pending += [(name, item) for extra in extras for item in optional.get(extra) or []]
    return ((entry, tuple(sorted(asked[name]))) for name, entry in chosen.items())


def _entry(entries: list[_Entry], edge: _Entry, interpreter: Interpreter, what: str) -> _Entry:
    fitting = [entry for entry in entries if "version" not in edge or entry.get("version") == edge["version"]]
    if len(fitting) > 1:
        fitting = [entry for entry in fitting if _applies(entry, interpreter)]
    if len(fitting) != 1:
        count = "no" if not fitting else "several"
        raise LockError(f"{what} has {count} {edge['name']} for this Python and platform", advice="`uv lock`")
    return fitting[0]


def _applies(entry: _Entry, interpreter: Interpreter) -> bool:
    markers = entry.get("resolution-markers") or []
    return not markers or any(Marker(text).evaluate(dict(interpreter.markers)) for text in markers)


def _package(entry: _Entry, askers: tuple[str, ...], what: str) -> LockedPackage:
    name = canonicalize_name(entry["name"])
    if "registry" not in (entry.get("source") or {}):
        raise LockError(f"{what}: {name} does not come from an index", advice="publish it as a wheel on an index")
    items = [*(entry.get("wheels") or []), *([entry["sdist"]] if entry.get("sdist") else [])]
    return LockedPackage(name, str(entry["version"]), tuple(_file(item, name, what) for item in items), askers)


def _file(item: _Entry, package: str, what: str) -> LockedFile:
    algorithm, _, value = str(item.get("hash", "")).partition(":")
    if algorithm != "sha256" or len(value) != 64:
        raise LockError(f"{what}: {package} is locked without a sha256, and only that is accepted")
    place = str(item.get("url") or item.get("path") or item.get("filename") or "")
    return LockedFile(PurePosixPath(unquote(urlsplit(place).path)).name, value)
