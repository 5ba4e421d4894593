"""The graph of a poetry.lock: from the project's main dependencies along the lock's, if their markers hold.

Since format 2.1 each package records the groups that need it, with a marker for each. Poetry 2.3 and later install by
these alone, so they decide here too; the graph then shows what requires a package. Knows tables as poetry writes them,
not files, and not whether the lock is current.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter import extra_markers
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import poetry_origins, poetry_roots
from airbyte_ci.python.locks.poetry_origins import PoetrySource
from airbyte_ci.python.packages import constraints, origins
from airbyte_ci.python.packages.lock import MAIN_ONLY, FromDirectory, FromGit, LockedFile, LockedPackage, Wish

Table = Mapping[str, Any]

_SHA256 = re.compile(r"[0-9a-f]{64}")
# Choosing between several entries of a package changes what is needed, and so other choices; it converges quickly.
_ROUNDS = 20
# The marker that poetry writes for a package that no environment needs.
_NEVER = "<empty>"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An edge: the required package, its versions, extras and origin, and the requiring package."""

    name: str
    constraint: str
    extras: frozenset[str]
    origin: PoetrySource
    by: str


def select(
    lock: Table, project: Table, interpreter: Interpreter, where: str, wish: Wish = MAIN_ONLY
) -> tuple[LockedPackage, ...]:
    """Returns the packages that the main dependencies and the selected groups need, by name; raises LockError.

    Raises KeyError, TypeError, AttributeError or ValueError for tables that poetry did not write.
    """
    return _Graph(lock, project, interpreter, where, wish).select()


class _Graph:
    """One lock for one interpreter. A class because every step needs both."""

    def __init__(self, lock: Table, project: Table, interpreter: Interpreter, where: str, wish: Wish) -> None:
        self._roots = poetry_roots.of(project, wish, f"{where}/pyproject.toml")
        self._groups = ("main", *map(canonicalize_name, wish.groups))
        self._extras = frozenset(map(canonicalize_name, wish.extras))
        self._interpreter = interpreter
        self._where = where
        self._entries: dict[str, list[Table]] = {}
        for package in lock.get("package") or []:
            self._entries.setdefault(canonicalize_name(package["name"]), []).append(package)
        metadata: Table = lock.get("metadata") or {}
        self._legacy_files: Table = metadata.get("files") or {}
        self._is_marked = _records_groups(lock, metadata)

    def select(self) -> tuple[LockedPackage, ...]:
        chosen: dict[str, Table] = {}
        meant = {name for name, entries in self._entries.items() if any(map(self._is_meant, entries))}
        for _ in range(_ROUNDS):
            wanted = self._walk(chosen)
            if self._is_marked:
                wanted = {name: wanted.get(name, []) for name in meant}
            better = {name: self._best(name, edges) for name, edges in wanted.items()}
            if better == chosen:
                self._check(chosen, wanted)
                return tuple(self._package(name, chosen[name], wanted[name]) for name in sorted(chosen))
            chosen = better
        raise LockError(
            f"{self._where}/poetry.lock has several versions of a package and no rule to choose one",
            advice="`poetry lock` with poetry 2",
            error_id="lock-damaged",
        )

    def _walk(self, chosen: Mapping[str, Table]) -> dict[str, list[_Wanted]]:
        """Returns every reachable edge by the package to which it leads; undecided packages use their best version."""
        reached: dict[str, list[_Wanted]] = {}
        pending = [*self._asked()]
        seen: set[tuple[str, frozenset[str]]] = set()
        while pending:
            wanted = pending.pop()
            reached.setdefault(wanted.name, []).append(wanted)
            if (wanted.name, wanted.extras) not in seen:
                seen.add((wanted.name, wanted.extras))
                entry = chosen.get(wanted.name) or self._best(wanted.name, [wanted])
                pending += self._dependencies(entry, wanted.extras)
        return reached

    # --- edges -----------------------------------------------------------------------------------

    def _asked(self) -> Iterator[_Wanted]:
        """Returns the connector's own dependencies that apply."""
        for root in self._roots:
            if isinstance(root.details, Requirement):
                requirement = root.details
                if requirement.marker is None or self._holds(requirement.marker, root.active):
                    extras = frozenset(map(canonicalize_name, requirement.extras))
                    origin = poetry_origins.of_requirement(requirement)
                    yield _Wanted(root.name, str(requirement.specifier) or "*", extras=extras, origin=origin, by="")
            else:
                yield from self._edges(root.name, root.details, extras=root.active, by="", enabled=root.enabled)

    def _dependencies(self, entry: Table, extras: frozenset[str]) -> Iterator[_Wanted]:
        by = canonicalize_name(entry["name"])
        active, enabled = _activate(entry, extras)
        for name, details in (entry.get("dependencies") or {}).items():
            yield from self._edges(name, details, extras=active, by=by, enabled=enabled)

    def _edges(
        self,
        name: str,
        details: Any,  # noqa: ANN401  # parsed data
        extras: frozenset[str],
        by: str,
        enabled: frozenset[str] = frozenset(),
    ) -> Iterator[_Wanted]:
        wanted = canonicalize_name(name)
        for item in details if isinstance(details, list) else [details]:
            detail = item if isinstance(item, dict) else {"version": item}
            if (not detail.get("optional") or wanted in enabled) and self._applies(detail, extras):
                asked = frozenset(canonicalize_name(extra) for extra in detail.get("extras") or ())
                # Paths in other packages' tables are relative to these.
                origin = poetry_origins.asked(detail if not by else {"source": detail.get("source")})
                yield _Wanted(wanted, str(detail.get("version") or "*"), extras=asked, origin=origin, by=by)

    def _applies(self, detail: Table, extras: frozenset[str]) -> bool:
        if "markers" in detail and not self._holds(Marker(detail["markers"]), extras):
            return False
        if "platform" in detail and detail["platform"] != self._interpreter.markers["sys_platform"]:
            return False
        return constraints.admits(str(detail.get("python") or "*"), self._interpreter.version)

    def _holds(self, marker: Marker, extras: frozenset[str]) -> bool:
        return extra_markers.holds(marker, self._interpreter, extras)

    # --- nodes -----------------------------------------------------------------------------------

    def _best(self, name: str, edges: Sequence[_Wanted]) -> Table:
        """Returns, of several entries (one per Python, platform or source), the newest that all requirements admit."""
        entries = self._entries.get(name)
        if not entries:
            raise LockError(
                f"{self._where}/poetry.lock: {edges[0].by or 'the connector'} needs {name}, which is not in the lock",
                advice="`poetry lock`",
                error_id="lock-incomplete",
            )
        if len(entries) == 1:
            return entries[0]
        fitting = [entry for entry in entries if self._fits(entry)] or entries
        admitted = [entry for entry in fitting if all(_admits(entry, edge) for edge in edges)] or fitting
        return max(admitted, key=lambda entry: Version(str(entry["version"])))

    def _fits(self, entry: Table) -> bool:
        return self._is_meant(entry) and self._fits_python(entry)

    def _is_meant(self, entry: Table) -> bool:
        """Selects a package by its groups and markers. A selected package for another Python is an error."""
        markers = entry.get("markers")
        groups = set(map(canonicalize_name, entry.get("groups") or ("main",))).intersection(self._groups)
        if isinstance(markers, dict):  # format 2.1: a marker per group
            texts = {canonicalize_name(group): text for group, text in markers.items()}
            found = [texts.get(group) for group in groups]
        else:
            found = [markers] if groups or not self._is_marked else []
        return any(map(self._holds_for_entry, found))

    def _holds_for_entry(self, text: object) -> bool:
        if not isinstance(text, str):
            return True
        return text != _NEVER and self._holds(Marker(text), self._extras)

    def _fits_python(self, entry: Table) -> bool:
        return constraints.admits(str(entry.get("python-versions") or "*"), self._interpreter.version)

    def _check(self, chosen: Mapping[str, Table], wanted: Mapping[str, Sequence[_Wanted]]) -> None:
        """Raises LockError for a lock that contradicts itself, after an edit or a merge."""
        for name, entry in chosen.items():
            version = entry["version"]
            for edge in wanted[name]:
                if not _admits(entry, edge):
                    raise LockError(
                        f"{self._where}/poetry.lock: {edge.by or 'the connector'} needs {name} {edge.constraint:.100}"
                        f"{_from(edge.origin)}, but the lock has {self._locked(name, edge):.200}",
                        advice="`poetry lock`",
                        error_id="lock-incomplete",
                    )
            for other in self._entries[name]:
                if self._fits(other) and all(_admits(other, edge) for edge in wanted[name]):
                    self._refuse_double(name, entry, other)
            if not self._fits_python(entry):
                raise LockError(
                    f"{self._where}/poetry.lock: {name} {version} is for Python {entry['python-versions']!s:.100}, "
                    f"but the base image has Python {self._interpreter.version}",
                    advice="choose a base image with a supported Python, or lock again",
                    error_id="lock-for-other-python",
                )

    def _locked(self, name: str, edge: _Wanted) -> str:
        """Returns the lock's versions for a message, with their origins if the origins do not match."""
        told = [
            f"{entry['version']}{_from(origin) if not poetry_origins.agree(edge.origin, origin) else ''}"
            for entry in self._entries[name]
            for origin in (poetry_origins.locked(entry),)
        ]
        return ", ".join(told)

    def _refuse_double(self, name: str, entry: Table, other: Table) -> None:
        """Raises LockError for two matching entries of one version with different files: the choice would be random."""
        if entry["version"] == other["version"] and self._bytes(entry) != self._bytes(other):
            raise LockError(
                f"{self._where}/poetry.lock has {name} {entry['version']} twice, with different files: "
                "the lock was edited, or two locks were merged",
                advice="`poetry lock`",
                error_id="lock-damaged",
            )

    def _bytes(self, entry: Table) -> tuple[object, set[tuple[object, object]]]:
        files = entry.get("files") or self._legacy_files.get(str(entry["name"])) or []
        return poetry_origins.locked(entry), {(item.get("file"), item.get("hash")) for item in files}

    def _package(self, name: str, entry: Table, edges: Sequence[_Wanted]) -> LockedPackage:
        what = f"{self._where}/poetry.lock: {name}"
        origin = origins.of_poetry(entry.get("source") or {}, what, develop=bool(entry.get("develop")))
        files = entry.get("files") or self._legacy_files.get(str(entry["name"])) or []
        locked = tuple(_file(item, name, self._where) for item in files)
        if isinstance(origin, (FromDirectory, FromGit)):
            locked = ()
        elif not locked:
            raise LockError(
                f"{self._where}/poetry.lock has no hashes for {name}", advice="`poetry lock`", error_id="lock-damaged"
            )
        version = str(entry["version"])
        Version(version)  # the following code relies on a list
        return LockedPackage(
            name, version, files=locked, required_by=tuple(sorted({edge.by for edge in edges})), origin=origin
        )


def _records_groups(lock: Table, metadata: Table) -> bool:
    try:
        is_new = Version(str(metadata.get("lock-version") or "0")) >= Version("2.1")
    except InvalidVersion:
        return False
    return is_new and all(entry.get("groups") for entry in lock.get("package") or [])


def _activate(entry: Table, extras: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Returns the extras with those that they include, and the optional dependencies that they enable."""
    own = canonicalize_name(entry["name"])
    table: Mapping[str, list[str]] = entry.get("extras") or {}
    offered: dict[str, list[str]] = {canonicalize_name(extra): texts for extra, texts in table.items()}
    names: set[str] = set()
    pending, active = [*extras], set(extras)
    while pending:
        for text in offered.get(pending.pop(), []):
            requirement = Requirement(_bare(text))
            name = canonicalize_name(requirement.name)
            if name != own:
                names.add(name)
                continue
            more = {canonicalize_name(extra) for extra in requirement.extras} - active
            active |= more
            pending += more
    return frozenset(active), frozenset(names)


def _admits(entry: Table, edge: _Wanted) -> bool:
    if not poetry_origins.agree(edge.origin, poetry_origins.locked(entry)):
        return False
    try:
        return constraints.admits(edge.constraint, str(entry["version"]))
    except (InvalidSpecifier, InvalidVersion):
        return True  # old packages have requirements that only poetry could parse when it locked


def _from(origin: PoetrySource) -> str:
    return f" from {origin}" if origin != poetry_origins.ANY else ""


def _file(item: Table, package: str, where: str) -> LockedFile:
    if not item.get("hash"):
        raise LockError(
            f"{where}/poetry.lock: {package} has no hash for {item.get('file') or 'a file'}",
            advice="`poetry lock`",
            error_id="lock-damaged",
        )
    algorithm, _, value = str(item["hash"]).partition(":")
    if algorithm != "sha256" or not _SHA256.fullmatch(value):
        raise LockError(f"{where}/poetry.lock: {package} is locked with {item['hash']}, but only sha256:… is accepted")
    return LockedFile(str(item["file"]), value)


def _bare(text: str) -> str:
    """Returns an extra's requirement of the lock, `name (>=1.0)`, in the form of PEP 508: only name and extras."""
    return text.split("(")[0].split(";")[0].strip()
