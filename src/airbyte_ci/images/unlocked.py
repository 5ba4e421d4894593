"""Connectors without a lock: their requirements, resolved as of a moment, as the text of a PEP 751 lock.

Knows which files contain requirements; `python.resolution.resolve` selects versions.
"""

import hashlib
import json
import os
import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import LockError, UsageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.python.index import pinned
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import project, pylock_text, toml
from airbyte_ci.python.locks.project import ProjectRequirements
from airbyte_ci.python.packages import origins, requirements
from airbyte_ci.python.packages.lock import (
    FromArchive,
    FromDirectory,
    FromGit,
    Lock,
    LockedFile,
    LockedPackage,
    Origin,
    Wish,
)
from airbyte_ci.python.packages.requirements import RequirementEntry
from airbyte_ci.python.resolution import resolve
from airbyte_ci.python.resolution.offers import Local, Offers
from airbyte_ci.python.resolution.resolve import NOTHING_KEPT, Keep
from airbyte_ci.python.sources import local_sources, metadata, trees
from airbyte_ci.python.sources.metadata import Metadata
from airbyte_ci.python.sources.sdist import Builder

FORMAT_VERSION = 2
NOW = "now"
_NESTED = 20
# The files that list a project's requirements, in order of precedence, as in the original's installation.
SOURCE = "requirements.in"
DESCRIPTIONS = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")


@dataclass(frozen=True, slots=True)
class Resolution:
    """The packages resolved for an interpreter, and their requirements."""

    lock: Lock
    texts: tuple[str, ...]


def moment(text: str, now: datetime) -> datetime | None:
    """Returns the moment that a date or an RFC 3339 time means; None for `now`. Raises UsageError.

    A date means the whole day in UTC, so that it has one meaning on every machine.
    """
    if text == NOW:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a valid date", advice="use the form 2024-04-01") from None
    if len(text) == 10:
        found = found.replace(tzinfo=UTC) + timedelta(days=1)
    elif found.tzinfo is None:
        raise UsageError(f"{text!r} has no time zone", advice=f"write {text}Z, or only the date")
    if found > now:
        raise UsageError(f"--resolve-as-of {text} is in the future", advice="choose an earlier date")
    return found.astimezone(UTC)


def shown(moment: datetime) -> str:
    """Returns a moment in the form that `moment` reads."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def asked(
    connector: Connector, interpreter: Interpreter, wish: Wish, builder: Builder, names: Collection[str] | None = None
) -> ProjectRequirements:
    """Returns the connector's requirements; raises LockError if no file lists them, PackageError.

    `names` are the files that may list them; by default all of the connector's.
    """
    names = connector.names if names is None else names
    if "pyproject.toml" in names:
        document = toml.parse(
            _text(connector.folder, "pyproject.toml", connector.relative), f"{connector.relative}/pyproject.toml"
        )
        wish = project.with_default_groups(wish, document)
    return _asked(connector.folder, connector.relative, names, interpreter, wish, builder)[1]


def resolution(
    connector: Connector,
    interpreter: Interpreter,
    as_of: datetime | None,
    wish: Wish,
    builder: Builder,
    *,
    keep: Keep = NOTHING_KEPT,
    is_lenient: bool = False,
    names: Collection[str] | None = None,
) -> Resolution:
    """Resolves for the interpreter and keeps versions where they fit; raises LockError, PackageError.

    `is_lenient` also takes files of which the index does not know the day. Nothing is remembered.
    """
    wanted = asked(connector, interpreter, wish, builder, names)
    prepared = _prepare(connector, wanted, interpreter, builder)
    lock = _resolve(connector, prepared, wanted, interpreter, as_of, keep, is_lenient=is_lenient)
    return Resolution(lock, wanted.texts)


def text(connector: Connector, interpreter: Interpreter, as_of: datetime, wish: Wish, builder: Builder) -> str:
    """Returns the lock of a resolution, cached by its inputs: the same question queries no index again."""
    wanted = asked(connector, interpreter, wish, builder)
    prepared = _prepare(connector, wanted, interpreter, builder)

    def make() -> dict[str, str]:
        lock = _resolve(connector, prepared, wanted, interpreter, as_of)
        return {"text": render([(interpreter, Resolution(lock, wanted.texts))], shown(as_of), {})}

    inputs = prepared.identity(wanted, interpreter, as_of)
    return str(builder.store.reuse("resolution", FORMAT_VERSION, inputs, make)["text"])


def render(resolutions: Iterable[tuple[Interpreter, Resolution]], as_of: str, inputs: Mapping[str, str]) -> str:
    """Returns the text of a PEP 751 lock, with the values that `is_current` compares."""
    found = list(resolutions)
    tool = {
        "inputs": dict(inputs),
        "requires": sorted({line for _, item in found for line in item.texts}),
        "resolved-as-of": as_of,
    }
    return pylock_text.render([(pylock_text.marker(interpreter), item.lock) for interpreter, item in found], tool)


def inputs(connector: Connector) -> dict[str, str]:
    """Returns the digests of the files that list the requirements; equal digests mean equal requirements."""
    present = (name for name in DESCRIPTIONS if name in connector.names)
    return {name: hashlib.sha256((connector.folder / name).read_bytes()).hexdigest() for name in present}


# --- what files ask for --------------------------------------------------------------------------


def _asked(
    folder: Path, what: str, names: Iterable[str], interpreter: Interpreter, wish: Wish, builder: Builder
) -> tuple[Metadata, ProjectRequirements]:
    present = set(names)
    if "pyproject.toml" in present:
        place = f"{what}/pyproject.toml"
        document = toml.parse(_text(folder, "pyproject.toml", what), place)
        if project.describes_itself(document):
            found = project.of_pyproject(document, interpreter, what=place, groups=wish.groups, extras=wish.extras)
            return metadata.static(folder) or _poetrys(document, folder), found
    if present & {"setup.py", "setup.cfg", "pyproject.toml"}:
        told = metadata.of_folder(builder, folder, what)
        return told, project.of_metadata(told, interpreter, what, wish.extras)
    if name := next((name for name in ("requirements.txt", SOURCE) if name in present), None):
        variables = builder.index.variables
        return Metadata(folder.name, "0"), _of_requirements(
            folder, name, what=what, interpreter=interpreter, variables=variables
        )
    raise LockError(
        f"{what} has no lock file, and no file that lists its requirements",
        advice="add pyproject.toml, then run `lock`",
    )


def _poetrys(document: Mapping[str, object], folder: Path) -> Metadata:
    table: Mapping[str, object] = (document.get("tool") or {}).get("poetry") or {}  # type: ignore[attr-defined]
    return Metadata(str(table.get("name") or folder.name), str(table.get("version") or "0"))


def _of_requirements(
    folder: Path, name: str, what: str, interpreter: Interpreter, variables: Mapping[str, str]
) -> ProjectRequirements:
    text = _text(folder, name, what)
    document = requirements.parse(text, f"{what}/{name}", lambda path: _text(folder, path, what), variables)
    if document.find_links or document.only_binary:
        option = "--find-links" if document.find_links else "--only-binary"
        raise LockError(
            f"{what}/{name} has {option}, which applies only to locked requirements",
            advice="use an index instead, or lock the requirements with hashes",
        )
    holding = [
        entry for entry in document.entries if entry.marker is None or entry.marker.evaluate(dict(interpreter.markers))
    ]
    texts = tuple(sorted(_shown(entry) for entry in (*document.entries, *document.constraints)))
    return ProjectRequirements(tuple(holding), texts, tuple(document.constraints), tuple(pinned.declared(document)))


def _shown(entry: RequirementEntry) -> str:
    return resolve.line(entry) + (f" @ {origins.public(entry.place)}" if entry.place else "")


def _text(folder: Path, name: str, what: str) -> str:
    try:
        return local_sources.read_text(folder / name, folder, posixpath.normpath(posixpath.join(what, name)))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise LockError(f"cannot read {posixpath.normpath(posixpath.join(what, name))}: {why}") from error


# --- places of their own -------------------------------------------------------------------------


@dataclass(slots=True)
class _Prepared:
    """Returns entries by name only, and the projects with a known location."""

    builder: Builder
    configured: PackageIndex
    entries: list[RequirementEntry] = field(default_factory=list)
    locals: dict[str, Local] = field(default_factory=dict)

    def identity(self, wanted: ProjectRequirements, interpreter: Interpreter, as_of: datetime) -> dict[str, object]:
        """Returns everything on which a resolution depends."""
        index = self.builder.index
        places = [(name, item.metadata.text(), str(item.origin)) for name, item in sorted(self.locals.items())]
        files = [file.sha256 for item in self.locals.values() for file in item.files]
        return {
            "entries": sorted(map(resolve.line, self.entries)),
            "constraints": sorted(map(resolve.line, wanted.constraints)),
            "texts": wanted.texts,
            "places": json.loads(json.dumps(places)),
            "files": sorted(files),
            "pins": [list(pin) for pin in wanted.pins],
            "indexes": [origins.public(source.url) for source in (*index.sources(), *index.named)],
            "as of": as_of.isoformat(),
            "python": interpreter.version,
            "libc": interpreter.libc,
            "markers": dict(interpreter.markers),
        }


def _prepare(
    connector: Connector, wanted: ProjectRequirements, interpreter: Interpreter, builder: Builder
) -> _Prepared:
    prepared = _Prepared(replace(builder, index=builder.index.also(wanted.indexes)), builder.index)
    prepared.entries = _named(wanted.entries, connector.folder, connector, interpreter, prepared, 0)
    return prepared


def _named(
    entries: Iterable[RequirementEntry],
    folder: Path,
    connector: Connector,
    interpreter: Interpreter,
    prepared: _Prepared,
    depth: int,
) -> list[RequirementEntry]:
    """Returns the entries, with each location turned into a project of its own, by name and version."""
    if depth > _NESTED:
        raise LockError(f"{connector.place} requires folders that require each other in a cycle")
    found = []
    for entry in entries:
        if not entry.place:
            found.append(entry)
            continue
        what = f"{connector.place}: {entry.name or origins.without_logins(entry.place)}"
        origin = _origin(entry, folder, connector, what)
        if origin is None:
            continue
        local = _local(
            entry, origin, connector=connector, interpreter=interpreter, prepared=prepared, depth=depth, what=what
        )
        name = canonicalize_name(local.metadata.name)
        if entry.name and entry.name != name:
            raise LockError(f"{what}: {origin} contains {name}, not {entry.name}")
        prepared.locals[name] = local
        found.append(replace(entry, name=name, place="", specifier=SpecifierSet(f"=={local.metadata.version}")))
    return found


def _origin(entry: RequirementEntry, folder: Path, connector: Connector, what: str) -> Origin | None:
    """Returns the entry's origin, relative to the connector; None for the connector itself."""
    if entry.place.startswith("git+") and not origins.is_locked_git(entry.place):
        raise LockError(
            f"{what} comes from a git branch or tag, but its commit is not locked",
            advice="use the full commit id, or create a lock file with `poetry lock` or `uv lock`",
        )
    origin = origins.of_place(entry.place, what, editable=entry.editable)
    if isinstance(origin, FromDirectory) or (isinstance(origin, FromArchive) and not origin.is_url):
        place = origin.path if isinstance(origin, FromDirectory) else origin.place
        path = posixpath.normpath(os.path.relpath(folder / place, connector.folder))
        if path == ".":
            return None
        origin = replace(origin, path=path) if isinstance(origin, FromDirectory) else replace(origin, place=path)
    local_sources.check(origin, connector.folder, what)
    return origin


def _local(
    entry: RequirementEntry,
    origin: Origin,
    connector: Connector,
    interpreter: Interpreter,
    prepared: _Prepared,
    depth: int,
    what: str,
) -> Local:
    builder = prepared.builder
    match origin:
        case FromDirectory(path, _, subdirectory):
            source = connector.folder / path / subdirectory
            if not source.is_dir():
                raise LockError(f"{what} must come from {path}, which is not a folder")
            wish = Wish(extras=tuple(sorted(entry.extras)))
            told, inner = _asked(source, path, (item.name for item in source.iterdir()), interpreter, wish, builder)
            entries = _named(inner.entries, source, connector, interpreter, prepared, depth + 1)
            requires = tuple(resolve.line(replace(item, marker=None)) for item in entries)
            return Local(Metadata(told.name, told.version, requires, wish.extras), origin)
        case FromArchive(place):
            file = _archive(entry, origin, connector, builder, what)
            if file.name.endswith(".whl"):
                found = Metadata.parse(metadata.of_wheel(builder.store.path(Digest(file.sha256)), file.name))
            else:
                found = metadata.of_sdist(builder, file)
            return Local(found, origin, (replace(file, url=place if origin.is_url else ""),))
        case FromGit():
            tree = trees.obtain(
                LockedPackage(entry.name or "project", "", (), origin=origin),
                connector.folder,
                builder.store,
                builder.index,
            )
            told = metadata.of_tree(builder, tree, what)
            inner = project.of_metadata(told, interpreter, what, entry.extras)
            entries = _named(inner.entries, connector.folder, connector, interpreter, prepared, depth + 1)
            requires = tuple(resolve.line(replace(item, marker=None)) for item in entries)
            return Local(Metadata(told.name, told.version, requires, tuple(sorted(entry.extras))), origin)
    raise AssertionError(f"{origin} is an index")


def _archive(
    entry: RequirementEntry, origin: FromArchive, connector: Connector, builder: Builder, what: str
) -> LockedFile:
    """Returns the archive in the store and its hash: the requested hash, or the current one."""
    hashes = entry.hashes or origins.hashes_of(entry.place)
    name = origins.file_name(origin.place)
    if origin.is_url and len(hashes) == 1:
        file = LockedFile(name, *hashes)
        builder.index.fetch_url(builder.store, file, origin.place)
        return file
    if origin.is_url:
        return builder.index.take(builder.store, origin.place)
    try:
        data = (connector.folder / origin.place).read_bytes()
    except OSError as error:
        raise LockError(f"{what} must come from {origin.place}: {error.strerror}") from error
    file = LockedFile(name, builder.store.put(data).hex)
    if hashes and file.sha256 not in hashes:
        raise LockError(f"{what}: {origin.place} does not match the requested sha256")
    return file


def _resolve(
    connector: Connector,
    prepared: _Prepared,
    wanted: ProjectRequirements,
    interpreter: Interpreter,
    as_of: datetime | None,
    keep: Keep = NOTHING_KEPT,
    *,
    is_lenient: bool = False,
) -> Lock:
    pins = dict(wanted.pins)
    offers = Offers(
        builder=prepared.builder,
        interpreter=interpreter,
        as_of=as_of,
        locals=prepared.locals,
        pins=pins,
        configured=prepared.configured,
        is_lenient=is_lenient,
    )
    named = [entry for entry in wanted.constraints if not entry.place]
    what = f"cannot resolve the packages of {connector.place}"
    return resolve.resolve(prepared.builder.store, offers, prepared.entries, named, what, keep)
