"""The connector's own requirements in a project that poetry locked: main dependencies, selected groups and extras."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airbyte_ci.python.locks import project as projects
from airbyte_ci.python.packages.lock import Wish

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RootDependency:
    """One dependency of the connector: a PEP 508 requirement, or poetry's table under a name.

    `active` are the extras for which its marker is evaluated, `enabled` the names of optional dependencies that the
    selected extras enable.
    """

    name: str
    details: Any
    active: frozenset[str] = frozenset()
    enabled: frozenset[str] = frozenset()


def of(project: Table, wish: Wish, what: str) -> tuple[RootDependency, ...]:
    """Returns all requirements, whether they apply or not; raises LockError for an unknown group or extra.

    Raises AttributeError, TypeError or InvalidRequirement for invalid tables.
    """
    table: Table = project.get("project") or {}
    poetry: Table = (project.get("tool") or {}).get("poetry") or {}
    standard_extras = projects.normalize(table.get("optional-dependencies"))
    # If the standard tables list dependencies, poetry does not read its own table of extras.
    is_standard = bool(table.get("dependencies") or standard_extras)
    own_extras = {} if is_standard else projects.normalize(poetry.get("extras"))
    groups = _poetry_groups(poetry)
    standard_groups = projects.normalize(project.get("dependency-groups"))
    wish.refuse_unknown([*groups, *standard_groups], [*standard_extras, *own_extras], what)
    own = canonicalize_name(str(table.get("name") or ""))
    active = projects.close_extras(standard_extras, wish.extras, own)
    enabled = frozenset(canonicalize_name(name) for extra in active for name in own_extras.get(extra) or ())
    listed = [*(table.get("dependencies") or ())]
    listed += [text for extra in sorted(active) for text in standard_extras.get(extra) or ()]
    poetrys = _dependencies([poetry, groups.get("main") or {}])
    found = [*_merge(listed, poetrys, active, enabled, own)]
    is_mixed = bool({"dependencies", "optional-dependencies"} & set(table.get("dynamic") or ()))
    if not is_standard or is_mixed:
        found += (
            RootDependency(name, details, active, enabled) for name, details in poetrys.items() if name != "python"
        )
    for group in projects.close_groups(project, wish.groups, what):
        texts = [item for item in standard_groups.get(group) or () if not isinstance(item, Mapping)]
        poetrys = _dependencies([groups.get(group) or {}])
        found += _merge(texts, poetrys, active, enabled, own)
        found += () if texts else (RootDependency(name, details, active, enabled) for name, details in poetrys.items())
    return tuple(found)


def _poetry_groups(poetry: Table) -> dict[str, Table]:
    groups: dict[str, Table] = projects.normalize(poetry.get("group"))
    if legacy := poetry.get("dev-dependencies"):  # poetry before 1.2 spelled the group dev like this
        dev = groups.get("dev") or {}
        groups["dev"] = {**dev, "dependencies": {**legacy, **(dev.get("dependencies") or {})}}
    return groups


def _dependencies(tables: Iterable[Table]) -> dict[str, Any]:
    return {name: item for table in tables for name, item in projects.normalize(table.get("dependencies")).items()}


def _merge(
    texts: Iterable[Any], poetrys: Table, active: frozenset[str], enabled: frozenset[str], own: str
) -> Iterator[RootDependency]:
    """Returns the requirements of a standard table; poetry's table of the same group adds sources and markers."""
    for text in texts:
        requirement = Requirement(str(text))
        name = canonicalize_name(requirement.name)
        if name == own:
            continue  # its extras are among the active ones
        yield RootDependency(name, requirement, active)
        if name in poetrys:
            yield RootDependency(name, poetrys[name], active, enabled | {name})
