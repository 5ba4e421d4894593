"""uv.lock (version 1) with its pyproject.toml → the packages that one interpreter needs.

The selection is uv's own: from the project's dependencies along the lock's, if their markers hold.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.markers import InvalidMarker
from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from airbyte_ci.errors import LockError
from airbyte_ci.python.index import index_settings
from airbyte_ci.python.index.index_settings import Source
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import toml, uv_current, uv_graph, uv_workspace
from airbyte_ci.python.locks.project import with_default_groups
from airbyte_ci.python.packages import origins
from airbyte_ci.python.packages.lock import (
    MAIN_ONLY,
    FromArchive,
    FromDirectory,
    FromGit,
    FromIndex,
    Lock,
    LockedFile,
    LockedPackage,
    Origin,
    Wish,
)

_Entry = Mapping[str, Any]
_OWN = ("virtual", "editable", "directory")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Workspace:
    """The workspace of a shared lock: `root` is the root's pyproject.toml, `member` the project's folder relative to
    the root, `where` the root's folder for messages.
    """

    root: str
    member: str
    where: str


def select(
    lock_text: str,
    pyproject_text: str,
    interpreter: Interpreter,
    where: str,
    wish: Wish = MAIN_ONLY,
    workspace: Workspace | None = None,
) -> Lock:
    """Returns the project's own dependencies for this interpreter, and the selected ones; raises LockError.

    Includes the groups of `default-groups` in [tool.uv], like `uv sync --no-dev`.
    """
    what = f"{workspace.where if workspace else where}/uv.lock"
    lock = toml.parse(lock_text, what)
    project = toml.parse(pyproject_text, f"{where}/pyproject.toml")
    member = workspace.member if workspace else "."
    if workspace:
        project = uv_workspace.join(project, toml.parse(workspace.root, f"{workspace.where}/pyproject.toml"), member)
    if lock.get("version") != 1:
        raise LockError(f"{what} has version {lock.get('version')!r}, but only version 1 is supported")
    try:
        _check_python(lock, interpreter, what)
        root = _root(lock, project, what, member)
        wish = with_default_groups(wish, project)
        wish.refuse_unknown(root.get("dev-dependencies") or {}, root.get("optional-dependencies") or {}, what)
        uv_current.check(lock, root, project, interpreter, where, wish)
        chosen = uv_graph.select(lock, root, interpreter, what, wish)
        # A virtual package is only a list of dependencies: nothing is installed.
        indexes = {origins.index(source.url).url: source.name for source, _ in _indexes(project)}
        packages = (
            _package(entry, by, what, indexes, member)
            for entry, by in chosen
            if "virtual" not in (entry.get("source") or {})
        )
        return Lock("uv", tuple(sorted(packages, key=lambda item: item.name)))
    except (InvalidMarker, InvalidSpecifier, InvalidRequirement) as error:
        raise LockError(f"{what} is invalid: {str(error).splitlines()[0]}", error_id="lock-damaged") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise LockError(
            f"{what} is damaged: {error!r} where a package was expected", advice="`uv lock`", error_id="lock-damaged"
        ) from error


def _check_python(lock: _Entry, interpreter: Interpreter, what: str) -> None:
    wanted = str(lock.get("requires-python") or "")
    if not SpecifierSet(wanted).contains(interpreter.version, prereleases=True):
        raise LockError(
            f"{what} is for Python {wanted}, but the base image has Python {interpreter.version}",
            advice="choose a base image with a supported Python, or lock again",
            error_id="lock-for-other-python",
        )


def _root(lock: _Entry, project: _Entry, what: str, member: str) -> _Entry:
    """Returns the project's own package, which uv lists with its folder as the source."""
    name = canonicalize_name(str((project.get("project") or {}).get("name") or ""))
    found: list[_Entry] = []
    for entry in lock.get("package") or []:
        source = entry.get("source") or {}
        if canonicalize_name(entry["name"]) == name and member in map(source.get, _OWN):
            found.append(entry)
    if len(found) > 1:
        raise LockError(
            f"{what} locks {name} twice: two locks were merged", advice="`uv lock`", error_id="lock-damaged"
        )
    if not found:
        raise LockError(
            f"{what} does not contain {name or 'a project'}, which pyproject.toml describes",
            advice="`uv lock`",
            error_id="lock-out-of-date",
        )
    return found[0]


def _indexes(project: _Entry) -> Iterator[tuple[Source, bool]]:
    return index_settings.of_uv((project.get("tool") or {}).get("uv") or {})


def _package(
    entry: _Entry, askers: tuple[str, ...], what: str, indexes: Mapping[str, str], member: str
) -> LockedPackage:
    name = canonicalize_name(entry["name"])
    origin = _seen_from(member, origins.of_uv(entry.get("source") or {}, f"{what}: {name}"))
    if isinstance(origin, FromIndex):
        origin = replace(origin, name=indexes.get(origin.url, ""))
    items = [*(entry.get("wheels") or []), *([entry["sdist"]] if entry.get("sdist") else [])]
    place = origin.place if isinstance(origin, FromArchive) else ""
    files = tuple(_file(item, name, place, what) for item in items)
    if isinstance(origin, (FromDirectory, FromGit)):
        files = ()
    elif not files:
        raise LockError(f"{what}: {name} has neither wheels nor an sdist", advice="`uv lock`", error_id="lock-damaged")
    # Only the build back end may know a folder's version.
    version = str(entry.get("version") or "") if isinstance(origin, FromDirectory) else str(entry["version"])
    return LockedPackage(name, version, files=files, required_by=askers, origin=origin)


def _seen_from(member: str, origin: Origin) -> Origin:
    """The origin with a path that is relative to the member instead of the lock."""
    match origin:
        case FromDirectory(path) if not path.startswith("/") and member != ".":
            return replace(origin, path=posixpath.relpath(path, member))
        case FromArchive(place) if not origin.is_url and not place.startswith("/") and member != ".":
            return replace(origin, place=posixpath.relpath(place, member))
    return origin


def _file(item: _Entry, package: str, place: str, what: str) -> LockedFile:
    algorithm, _, value = str(item.get("hash", "")).partition(":")
    if algorithm != "sha256" or not _SHA256.fullmatch(value):
        raise LockError(f"{what}: {package} is locked without a sha256, which is the only accepted hash")
    url = origins.public(str(item.get("url") or ""))
    return LockedFile(origins.file_name(url or str(item.get("path") or item.get("filename") or place)), value, url)
