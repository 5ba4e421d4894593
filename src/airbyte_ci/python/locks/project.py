"""The requirements of a project without a lock: pyproject.toml (PEP 621 or poetry's tables) as uniform entries.

Knows texts and the interpreter for markers; no network, no versions, no code.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from airbyte_ci.errors import LockError
from airbyte_ci.python.index import index_settings
from airbyte_ci.python.index.index_settings import Source
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages import constraints, origins
from airbyte_ci.python.packages.lock import Wish
from airbyte_ci.python.packages.requirements import RequirementEntry
from airbyte_ci.python.sources.metadata import Metadata

Table = Mapping[str, Any]
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ProjectRequirements:
    """The input of a resolution: the entries whose markers hold for the interpreter.

    `indexes` are the project's, each with whether it replaces the public one; `pins` name the index of a package.
    `texts` are the original requirements with markers: while they are unchanged, a resolution stays current.
    """

    entries: tuple[RequirementEntry, ...]
    texts: tuple[str, ...]
    constraints: tuple[RequirementEntry, ...] = ()
    indexes: tuple[tuple[Source, bool], ...] = ()
    pins: tuple[tuple[str, str], ...] = ()


def describes_itself(project: Table) -> bool:
    """Returns whether pyproject.toml lists dependencies, or leaves them to setup.py."""
    table = project.get("project")
    standard = isinstance(table, dict) and not {"dependencies", "optional-dependencies"} & set(
        table.get("dynamic") or ()
    )
    return standard or bool(_poetry(project).get("dependencies"))


def of_pyproject(
    project: Table,
    interpreter: Interpreter,
    what: str,
    groups: Collection[str] = NOTHING,
    extras: Collection[str] = NOTHING,
) -> ProjectRequirements:
    """Returns its main dependencies and those of the groups and extras; raises LockError."""
    try:
        _check_python(project, interpreter, what)
        uv = (project.get("tool") or {}).get("uv") or {}
        sources = _uv_sources(uv)
        found = [
            *_standard(project, groups, extras, what),
            *_of_poetry(project, interpreter, groups=groups, extras=extras, what=what),
        ]
        entries = (_placed(entry, sources, interpreter) for entry, _ in found if entry)
        pins = {name: str(item["index"]) for name, item in _uv_choices(sources, interpreter) if "index" in item}
        return ProjectRequirements(
            tuple(entry for entry in entries if entry.marker is None or _holds(entry.marker, interpreter)),
            tuple(sorted(origins.without_logins(text) for _, text in found)),
            constraints=tuple(of_text(text, what) for text in uv.get("constraint-dependencies") or ()),
            indexes=(*index_settings.of_uv(uv), *index_settings.of_poetry(_poetry(project))),
            pins=tuple(sorted({**pins, **_poetry_pins(project)}.items())),
        )
    except (InvalidMarker, InvalidSpecifier, InvalidVersion, InvalidRequirement) as error:
        raise LockError(f"{what} is invalid: {str(error).splitlines()[0]}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise LockError(f"{what} is damaged: {error!r} where a dependency was expected") from error


def of_metadata(
    found: Metadata, interpreter: Interpreter, what: str, extras: Collection[str] = NOTHING
) -> ProjectRequirements:
    """Returns the dependencies that a build back end reports; raises LockError."""
    if found.requires_python and not _admits(found.requires_python, interpreter):
        raise _other_python(what, found.requires_python, interpreter)
    own = canonicalize_name(found.name)
    unknown = set(extras) - {canonicalize_name(extra) for extra in found.extras}
    if unknown:
        raise LockError(f"{what} has no extra {', '.join(sorted(unknown))}")
    entries = [of_text(text, what) for text in found.requires]
    active: set[str] = set()
    more = {str(canonicalize_name(extra)) for extra in extras}
    while more - active:  # an extra may name others of its own package
        active |= more
        holding = [item for item in entries if item.marker is None or _holds(item.marker, interpreter, active)]
        more = {extra for item in holding if item.name == own for extra in item.extras}
    holding = [item for item in entries if item.marker is None or _holds(item.marker, interpreter, active)]
    return ProjectRequirements(
        tuple(item for item in holding if item.name != own), tuple(sorted(map(origins.without_logins, found.requires)))
    )


def of_text(text: str, what: str) -> RequirementEntry:
    """Parses a PEP 508 requirement; raises LockError."""
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        raise LockError(f"{what}: {origins.without_logins(text)[:60]!r} is not a valid requirement") from error
    extras = frozenset(map(canonicalize_name, found.extras))
    return RequirementEntry(
        name=canonicalize_name(found.name),
        specifier=found.specifier,
        extras=extras,
        marker=found.marker,
        place=found.url or "",
    )


# --- PEP 621 and PEP 735 -------------------------------------------------------------------------


_Found = tuple[RequirementEntry | None, str]
"""An entry and its text; None if its condition does not hold."""


def normalize(table: Any) -> dict[str, Any]:  # noqa: ANN401  # parsed data
    """Returns a table under normalized names."""
    return {canonicalize_name(str(name)): item for name, item in (table or {}).items()}


def close_extras(optional: Table, extras: Collection[str], own: str) -> frozenset[str]:
    """Returns the extras with those that they include as `own[…]`; `optional` is keyed by normalized name."""
    found: set[str] = set()
    pending = [canonicalize_name(extra) for extra in extras]
    while pending:
        extra = pending.pop()
        if extra not in found:
            found.add(extra)
            for requirement in map(Requirement, map(str, optional.get(extra) or ())):
                if own and canonicalize_name(requirement.name) == canonicalize_name(own):
                    pending += map(canonicalize_name, requirement.extras)
    return frozenset(found)


def with_default_groups(wish: Wish, project: Table) -> Wish:
    """Returns the selection with the project's default groups, but without `dev`, which is a default of the tool."""
    groups = ((project.get("tool") or {}).get("uv") or {}).get("default-groups") or ()
    known = (project.get("dependency-groups") or {}) if groups == "all" else groups
    found = {canonicalize_name(str(name)) for name in known} - {"dev"}
    return Wish((*wish.groups, *sorted(found - set(map(canonicalize_name, wish.groups)))), wish.extras)


def close_groups(project: Table, groups: Iterable[str], what: str) -> tuple[str, ...]:
    """Returns the groups with those that they include: `include-group` of PEP 735, `include-groups` of poetry.

    Raises LockError for a group that includes itself or one that does not exist.
    """
    standard, poetrys = normalize(project.get("dependency-groups")), normalize(_poetry(project).get("group"))
    known = {*standard, *poetrys, *(("dev",) if _poetry(project).get("dev-dependencies") else ())}
    found: dict[str, None] = {}

    def add(name: str, within: tuple[str, ...]) -> None:
        if name in within:
            raise LockError(f"{what}: the dependency group {name} includes itself")
        if name not in known:
            by = f", which {within[-1]} includes" if within else ""
            raise LockError(f"{what} has no dependency group {name}{by}")
        found[name] = None
        items = [item for item in standard.get(name) or () if isinstance(item, Mapping)]
        included = [item["include-group"] for item in items]
        included += (poetrys.get(name) or {}).get("include-groups") or ()
        for other in included:
            add(canonicalize_name(str(other)), (*within, name))

    for group in groups:
        add(canonicalize_name(group), ())
    return tuple(found)


def _standard(project: Table, groups: Collection[str], extras: Collection[str], what: str) -> Iterator[_Found]:
    table = project.get("project") or {}
    optional = normalize(table.get("optional-dependencies"))
    own = canonicalize_name(str(table.get("name") or ""))
    known = {*optional, *map(canonicalize_name, _poetry(project).get("extras") or {})}
    if unknown := {canonicalize_name(extra) for extra in extras} - known:
        raise LockError(f"{what} has no extra {', '.join(sorted(unknown))}")
    for text in table.get("dependencies") or ():
        yield of_text(text, what), str(text)
    for extra in sorted(close_extras(optional, extras, own)):
        for text in optional.get(extra) or ():
            entry = of_text(text, what)
            if entry.name != own:
                yield entry, str(text)
    listed = normalize(project.get("dependency-groups"))
    for group in close_groups(project, groups, what):
        for item in listed.get(group) or ():
            if not isinstance(item, Mapping):
                yield of_text(str(item), what), str(item)


def _check_python(project: Table, interpreter: Interpreter, what: str) -> None:
    standard = str((project.get("project") or {}).get("requires-python") or "")
    python = (_poetry(project).get("dependencies") or {}).get("python")
    poetrys = str(python.get("version") if isinstance(python, dict) else python or "")
    if standard and not _admits(standard, interpreter):
        raise _other_python(what, standard, interpreter)
    if poetrys and not constraints.admits(poetrys, interpreter.version):
        raise _other_python(what, poetrys, interpreter)


def _admits(wanted: str, interpreter: Interpreter) -> bool:
    return SpecifierSet(wanted).contains(interpreter.version, prereleases=True)


def _other_python(what: str, wanted: str, interpreter: Interpreter) -> LockError:
    return LockError(
        f"{what} is for Python {wanted}, but the base image has Python {interpreter.version}",
        advice="choose a base image with a supported Python",
        error_id="lock-for-other-python",
    )


def _holds(marker: Marker, interpreter: Interpreter, extras: Collection[str] = NOTHING) -> bool:
    return any(marker.evaluate({**interpreter.markers, "extra": extra}) for extra in ("", *extras))


_Sources = Mapping[str, list[Table]]


def _uv_sources(uv: Table) -> _Sources:
    """Returns `[tool.uv.sources]`: origins by normalized name; several have markers."""
    sources = uv.get("sources") or {}
    return {canonicalize_name(name): item if isinstance(item, list) else [item] for name, item in sources.items()}


def _uv_choices(sources: _Sources, interpreter: Interpreter) -> Iterator[tuple[str, Table]]:
    for name, items in sources.items():
        for item in items:
            if "marker" not in item or _holds(Marker(str(item["marker"])), interpreter):
                yield name, item


def _placed(entry: RequirementEntry, sources: _Sources, interpreter: Interpreter) -> RequirementEntry:
    """Returns the entry with its origin in `[tool.uv.sources]`."""
    for name, item in _uv_choices(sources, interpreter):
        if name == entry.name and {"path", "git", "url"} & set(item):
            return replace(entry, specifier=SpecifierSet(), place=_place(item), editable=bool(item.get("editable")))
    return entry


# --- poetry --------------------------------------------------------------------------------------


def _poetry(project: Table) -> Table:
    table = (project.get("tool") or {}).get("poetry")
    return table if isinstance(table, dict) else {}


def _poetry_tables(project: Table, groups: Collection[str]) -> Iterator[Table]:
    poetry = _poetry(project)
    yield poetry.get("dependencies") or {}
    for name, group in normalize(poetry.get("group")).items():
        if name == "main" or name in groups:
            yield group.get("dependencies") or {}
    if "dev" in groups:
        yield poetry.get("dev-dependencies") or {}


def _poetry_pins(project: Table) -> dict[str, str]:
    return {
        canonicalize_name(name): str(item["source"])
        for table in _poetry_tables(project, ())
        for name, details in table.items()
        for item in (details if isinstance(details, list) else [details])
        if isinstance(item, dict) and item.get("source")
    }


def _of_poetry(
    project: Table, interpreter: Interpreter, groups: Collection[str], extras: Collection[str], what: str
) -> Iterator[_Found]:
    standard = (project.get("project") or {}).get("dependencies")
    wanted = {
        canonicalize_name(name)
        for extra, names in (_poetry(project).get("extras") or {}).items()
        if canonicalize_name(extra) in {canonicalize_name(item) for item in extras}
        for name in names
    }
    for position, table in enumerate(_poetry_tables(project, close_groups(project, groups, what))):
        if position == 0 and standard:
            continue  # poetry's table only extends the standard one here
        for name, details in table.items():
            if name == "python":
                continue
            for item in details if isinstance(details, list) else [details]:
                detail = item if isinstance(item, dict) else {"version": item}
                if not detail.get("optional") or canonicalize_name(name) in wanted:
                    holds = _applies(detail, interpreter)
                    entry = _entry(canonicalize_name(name), detail, what) if holds else None
                    yield entry, f"{name} = {json.dumps(item, sort_keys=True)}"


def _applies(detail: Table, interpreter: Interpreter) -> bool:
    if "markers" in detail and not _holds(Marker(str(detail["markers"])), interpreter):
        return False
    if "platform" in detail and detail["platform"] != interpreter.markers["sys_platform"]:
        return False
    return constraints.admits(str(detail.get("python") or "*"), interpreter.version)


def _entry(name: str, detail: Table, what: str) -> RequirementEntry:
    extras = frozenset(map(canonicalize_name, detail.get("extras") or ()))
    alternatives = list(constraints.specifiers(str(detail.get("version") or "*")))
    if len(alternatives) > 1:
        raise LockError(
            f"{what}: {name} {detail['version']} is a constraint that only poetry can resolve", advice="`poetry lock`"
        )
    return RequirementEntry(
        name=name, specifier=alternatives[0], extras=extras, place=_place(detail), editable=bool(detail.get("develop"))
    )


def _place(detail: Table) -> str:
    subdirectory = f"#subdirectory={detail['subdirectory']}" if detail.get("subdirectory") else ""
    if "git" in detail:
        revision = detail.get("rev") or detail.get("tag") or detail.get("branch") or ""
        return f"git+{detail['git']}" + (f"@{revision}" if revision else "") + subdirectory
    place = str(detail.get("path") or detail.get("url") or "")
    return place + subdirectory if place else ""
