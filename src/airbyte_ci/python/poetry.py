"""poetry.lock (formats 1.x, 2.0, 2.1) with its pyproject.toml → the packages that one interpreter needs.

The selection is poetry's own: from the project's main dependencies along the lock's, where markers hold.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import Lock, LockedFile, LockedPackage

# What poetry hashes of pyproject.toml to tell whether the lock is current (poetry/packages/locker.py). The legacy
# keys count even when they are absent, unless the project describes itself in the standard tables.
_LEGACY_KEYS = ("dependencies", "source", "extras", "dev-dependencies")
_POETRY_KEYS = (*_LEGACY_KEYS, "group")
_PROJECT_KEYS = ("requires-python", "dependencies", "optional-dependencies")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An edge of the dependency graph: who asks for which package with which extras."""

    name: str
    specifier: SpecifierSet
    extras: frozenset[str]
    by: str


def parse(text: str, what: str) -> dict[str, Any]:
    """A TOML document; raises LockError naming the file and the place."""
    if "<<<<<<<" in text and ">>>>>>>" in text:
        raise LockError(f"{what} holds merge conflict markers", advice="resolve the conflict, then `poetry lock`")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LockError(f"{what} is not valid TOML: {error}") from error


def select(lock_text: str, pyproject_text: str, interpreter: Interpreter, where: str) -> Lock:
    """The main dependencies for this interpreter; raises LockError.

    `where` is the connector's folder, for messages.
    """
    lock = parse(lock_text, f"{where}/poetry.lock")
    project = parse(pyproject_text, f"{where}/pyproject.toml")
    _check_current(lock, project, where)
    _check_python(lock, interpreter, where)
    try:
        return _Selection(lock, project, interpreter, where).run()
    except (InvalidMarker, InvalidSpecifier, InvalidVersion, InvalidRequirement) as error:
        raise LockError(f"{where}/poetry.lock cannot be understood: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise LockError(
            f"{where}/poetry.lock is damaged: {error!r} where a package was expected", advice="`poetry lock`"
        ) from error


def _check_current(lock: Mapping[str, Any], project: Mapping[str, Any], where: str) -> None:
    metadata = lock.get("metadata")
    recorded = metadata.get("content-hash") if isinstance(metadata, dict) else None
    if recorded is None:
        raise LockError(f"{where}/poetry.lock has no content hash: it is truncated", advice="`poetry lock`")
    if recorded not in content_hashes(project):
        raise LockError(
            f"{where}/poetry.lock does not match pyproject.toml: it was changed after the lock was made",
            advice=f"cd {where} && poetry lock",
        )


def content_hashes(project: Mapping[str, Any]) -> set[str]:
    """The content hashes that a current lock of this pyproject.toml may record; poetry's rule changed with PEP 621."""
    poetry = (project.get("tool") or {}).get("poetry") or {}
    table = project.get("project") or {}
    standard = {key: table[key] for key in _PROJECT_KEYS if table.get(key) is not None}
    groups = project.get("dependency-groups") or {}
    present = {key: poetry[key] for key in _POETRY_KEYS if poetry.get(key) is not None}
    legacy = dict.fromkeys(_LEGACY_KEYS) | present
    if not standard and not groups:
        return {_sha256(legacy)}
    hashes = {_sha256({"project": standard, "tool": {"poetry": present}})} if standard else {_sha256(legacy)}
    if groups:  # locks made before poetry knew dependency groups stay valid
        content = {"project": standard, "tool": {"poetry": present}, "dependency-groups": groups}
        hashes.add(_sha256(content))
    return hashes


def _sha256(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_python(lock: Mapping[str, Any], interpreter: Interpreter, where: str) -> None:
    wanted = str((lock.get("metadata") or {}).get("python-versions") or "*")
    try:
        admitted = any(constraint.contains(interpreter.version, prereleases=True) for constraint in specifiers(wanted))
    except InvalidSpecifier as error:
        raise LockError(f"{where}/poetry.lock names a Python that cannot be understood: {error}") from error
    if not admitted:
        raise LockError(
            f"{where}/poetry.lock is for Python {wanted}, and the base image has Python {interpreter.version}",
            advice="choose a base image with an admitted Python, or lock again",
        )


def specifiers(constraint: str) -> Iterator[SpecifierSet]:
    """Poetry's constraint (`^3.9,<3.12`, `~1.2`, `1.*`, `>=1 || ==0.9`) as alternatives of PEP 440 specifiers."""
    for alternative in constraint.replace("||", "|").split("|"):
        parts = [part.strip() for part in alternative.replace(" ,", ",").split(",") if part.strip()]
        pieces = [piece for part in parts for piece in _split_blanks(part)]
        yield SpecifierSet(",".join(spec for piece in pieces for spec in _pep440(piece)))


def _split_blanks(part: str) -> list[str]:
    """`>=3.9 <4.0` is two constraints; `>= 3.9` is one."""
    pieces: list[str] = []
    for word in part.split():
        if pieces and pieces[-1].strip("<>=!~^") == "":
            pieces[-1] += word
        else:
            pieces.append(word)
    return pieces


def _pep440(piece: str) -> list[str]:
    if piece == "*":
        return []
    if piece.startswith("^"):
        return _caret(Version(piece[1:]))
    if piece.startswith("~") and not piece.startswith("~="):
        return _tilde(piece[1:].strip())
    if piece[0] in "<>=!~":
        return [piece]
    return [f"=={piece}"]


def _caret(version: Version) -> list[str]:
    """Up to the next change of the left-most number that is not zero."""
    release = version.release
    position = next((index for index, number in enumerate(release) if number), len(release) - 1)
    ceiling = ".".join(str(number) for number in (*release[:position], release[position] + 1))
    return [f">={version}", f"<{ceiling}"]


def _tilde(text: str) -> list[str]:
    version = Version(text)
    release = version.release
    kept = release[:2] if len(release) > 1 else release[:1]
    ceiling = ".".join(str(number) for number in (*kept[:-1], kept[-1] + 1))
    return [f">={version}", f"<{ceiling}"]


class _Selection:
    """One walk through one lock. A class only because the walk carries what it has seen."""

    def __init__(
        self, lock: Mapping[str, Any], project: Mapping[str, Any], interpreter: Interpreter, where: str
    ) -> None:
        self._lock = lock
        self._project = project
        self._interpreter = interpreter
        self._where = where
        self._entries: dict[str, list[Mapping[str, Any]]] = {}
        for package in lock.get("package") or []:
            self._entries.setdefault(canonicalize_name(package["name"]), []).append(package)
        self._legacy_files: Mapping[str, Any] = (lock.get("metadata") or {}).get("files") or {}
        self._chosen: dict[str, Mapping[str, Any]] = {}
        self._asked: dict[str, set[str]] = {}

    def run(self) -> Lock:
        pending = [*self._roots()][::-1]
        seen: set[tuple[str, frozenset[str]]] = set()
        while pending:
            wanted = pending.pop()
            entry = self._entry(wanted)
            self._asked.setdefault(wanted.name, set()).add(wanted.by)
            self._chosen[wanted.name] = entry
            if (wanted.name, wanted.extras) not in seen:
                seen.add((wanted.name, wanted.extras))
                pending += self._dependencies(entry, wanted.extras)
        packages = [self._package(name, self._chosen[name]) for name in sorted(self._chosen)]
        return Lock("poetry", tuple(packages))

    # --- edges -----------------------------------------------------------------------------------

    def _roots(self) -> Iterator[_Wanted]:
        poetry = (self._project.get("tool") or {}).get("poetry") or {}
        tables = [poetry.get("dependencies") or {}]
        tables.append(((poetry.get("group") or {}).get("main") or {}).get("dependencies") or {})
        listed = (self._project.get("project") or {}).get("dependencies") or []
        for text in listed:
            requirement = Requirement(text)
            if requirement.marker is None or self._holds(requirement.marker, frozenset()):
                yield _Wanted(
                    canonicalize_name(requirement.name),
                    SpecifierSet(),
                    frozenset(map(canonicalize_name, requirement.extras)),
                    "",
                )
        named = {canonicalize_name(Requirement(text).name) for text in listed}
        for table in tables:
            for name, constraint in table.items():
                # With PEP 621 dependencies, poetry's table only enriches them (sources, paths).
                if canonicalize_name(name) not in {"python", *named}:
                    yield from self._edges(name, constraint, frozenset(), "")

    def _dependencies(self, entry: Mapping[str, Any], extras: frozenset[str]) -> Iterator[_Wanted]:
        by = canonicalize_name(entry["name"])
        offered: dict[str, list[str]] = {
            canonicalize_name(extra): [canonicalize_name(Requirement(_bare(text)).name) for text in texts]
            for extra, texts in (entry.get("extras") or {}).items()
        }
        enabled = {name for extra in extras for name in offered.get(extra, [])}
        for name, constraint in (entry.get("dependencies") or {}).items():
            yield from self._edges(name, constraint, extras, by, enabled)

    def _edges(
        self,
        name: str,
        constraint: Any,
        extras: frozenset[str],
        by: str,
        enabled: Iterable[str] | None = None,
    ) -> Iterator[_Wanted]:
        for item in constraint if isinstance(constraint, list) else [constraint]:
            detail = item if isinstance(item, dict) else {"version": item}
            if detail.get("optional") and (enabled is None or canonicalize_name(name) not in enabled):
                continue
            if not self._applies(detail, extras):
                continue
            yield _Wanted(
                canonicalize_name(name),
                SpecifierSet(),
                frozenset(canonicalize_name(extra) for extra in detail.get("extras") or ()),
                by,
            )

    def _applies(self, detail: Mapping[str, Any], extras: frozenset[str]) -> bool:
        if "markers" in detail and not self._holds(Marker(detail["markers"]), extras):
            return False
        if "platform" in detail and detail["platform"] != self._interpreter.markers["sys_platform"]:
            return False
        python = detail.get("python")
        return python is None or any(
            spec.contains(self._interpreter.version, prereleases=True) for spec in specifiers(str(python))
        )

    def _holds(self, marker: Marker, extras: frozenset[str]) -> bool:
        environment = dict(self._interpreter.markers)
        return any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))

    # --- nodes -----------------------------------------------------------------------------------

    def _entry(self, wanted: _Wanted) -> Mapping[str, Any]:
        """The lock's entry for a package: of several (one per Python or platform) the one that applies."""
        entries = self._entries.get(wanted.name)
        if not entries:
            raise LockError(
                f"{self._where}/poetry.lock: {wanted.by or 'the connector'} needs {wanted.name}, which is not in it",
                advice="`poetry lock`",
            )
        fitting = [entry for entry in entries if self._fits(entry)]
        if len(fitting) == 1:
            return fitting[0]
        # Without markers on entries (formats before 2.1) the dependency edges tell which version applies.
        demanded = [entry for entry in fitting or entries if self._demanded(entry)]
        if len(demanded) != 1:
            versions = ", ".join(str(entry["version"]) for entry in entries)
            raise LockError(
                f"{self._where}/poetry.lock has several {wanted.name} ({versions}) and no rule to choose one",
                advice="`poetry lock` with poetry 2",
            )
        return demanded[0]

    def _fits(self, entry: Mapping[str, Any]) -> bool:
        if not self._python_fits(str(entry.get("python-versions") or "*")):
            return False
        markers = entry.get("markers")
        if isinstance(markers, dict):  # format 2.1: a marker per group
            markers = markers.get("main")
        return not isinstance(markers, str) or self._holds(Marker(markers), frozenset())

    def _python_fits(self, constraint: str) -> bool:
        return any(spec.contains(self._interpreter.version, prereleases=True) for spec in specifiers(constraint))

    def _demanded(self, entry: Mapping[str, Any]) -> bool:
        name, version = canonicalize_name(entry["name"]), str(entry["version"])
        for constraint in self._constraints_on(name):
            for item in constraint if isinstance(constraint, list) else [constraint]:
                detail = item if isinstance(item, dict) else {"version": item}
                if not self._applies(detail, frozenset()):
                    continue
                allowed = specifiers(str(detail.get("version") or "*"))
                if not any(spec.contains(version, prereleases=True) for spec in allowed):
                    return False
        return True

    def _constraints_on(self, name: str) -> Iterator[Any]:
        poetry = (self._project.get("tool") or {}).get("poetry") or {}
        tables = [
            poetry.get("dependencies") or {},
            *(entry.get("dependencies") or {} for entry in self._chosen.values()),
        ]
        for table in tables:
            for other, constraint in table.items():
                if canonicalize_name(other) == name:
                    yield constraint

    def _package(self, name: str, entry: Mapping[str, Any]) -> LockedPackage:
        source = {str(key): str(value) for key, value in (entry.get("source") or {}).items()}
        if source.get("type") in ("git", "directory", "file", "url"):
            raise LockError(
                f"{self._where}/poetry.lock: {name} comes from {source['type']}, not from an index",
                advice="this is not supported yet; publish it as a wheel on an index",
            )
        files = entry.get("files") or self._legacy_files.get(str(entry["name"])) or []
        locked = tuple(_file(item, name, self._where) for item in files)
        if not locked:
            raise LockError(f"{self._where}/poetry.lock has no hashes for {name}", advice="`poetry lock`")
        return LockedPackage(name, str(entry["version"]), locked, tuple(sorted(self._asked[name])), source)


def _file(item: Mapping[str, Any], package: str, where: str) -> LockedFile:
    algorithm, _, value = str(item["hash"]).partition(":")
    if algorithm != "sha256" or len(value) != 64:
        raise LockError(f"{where}/poetry.lock: {package} is locked by {algorithm}, and only sha256 is accepted")
    return LockedFile(str(item["file"]), value)


def _bare(text: str) -> str:
    """An extra's requirement as the lock writes it, `name (>=1.0)`, as PEP 508 takes it: the name alone."""
    return text.split("(")[0].split(";")[0].strip()
