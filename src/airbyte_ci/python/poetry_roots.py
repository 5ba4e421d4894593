"""What a connector itself asks for, in a project that poetry locked: main dependencies, groups and extras as wished."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airbyte_ci.errors import LockError
from airbyte_ci.python.lock import Wish

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Root:
    """One dependency of the connector: a PEP 508 requirement, or what poetry's tables say under a name.

    `enabled` are the names of optional dependencies that the wished extras bring.
    """

    name: str
    details: Any
    enabled: frozenset[str] = frozenset()


def of(project: Table, wish: Wish, what: str) -> tuple[Root, ...]:
    """All of them, whether they apply or not; raises LockError for an unknown group or extra.

    Raises AttributeError, TypeError or InvalidRequirement for tables that are none.
    """
    table: Table = project.get("project") or {}
    poetry: Table = (project.get("tool") or {}).get("poetry") or {}
    standard_extras = {
        canonicalize_name(key): texts for key, texts in (table.get("optional-dependencies") or {}).items()
    }
    own_extras = {canonicalize_name(key): names for key, names in (poetry.get("extras") or {}).items()}
    groups = {canonicalize_name(key): group for key, group in (poetry.get("group") or {}).items()}
    if legacy := poetry.get("dev-dependencies"):  # the group dev, as poetry before 1.2 spelled it
        dev = canonicalize_name("dev")
        groups[dev] = {"dependencies": {**legacy, **((groups.get(dev) or {}).get("dependencies") or {})}}
    standard_groups = {canonicalize_name(key): items for key, items in (project.get("dependency-groups") or {}).items()}
    wish.refuse_unknown([*groups, *standard_groups], [*standard_extras, *own_extras], what)
    wanted = [canonicalize_name(extra) for extra in wish.extras]
    enabled = frozenset(canonicalize_name(name) for extra in wanted for name in own_extras.get(extra) or ())
    listed = [str(text) for text in table.get("dependencies") or ()]
    more = [str(text) for extra in wanted for text in standard_extras.get(extra) or ()]
    for group in wish.groups:
        more += _group(standard_groups, canonicalize_name(group), what, ())
    tables = [poetry.get("dependencies") or {}, (groups.get(canonicalize_name("main")) or {}).get("dependencies") or {}]
    tables += [(groups.get(canonicalize_name(group)) or {}).get("dependencies") or {} for group in wish.groups]
    return tuple(_roots(listed, more, tables, enabled))


def _roots(listed: list[str], more: list[str], tables: list[Table], enabled: frozenset[str]) -> Iterator[Root]:
    main: Table = {canonicalize_name(name): details for table in tables[:2] for name, details in table.items()}
    for text in [*listed, *more]:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        yield Root(name, requirement)
        if name in main:  # poetry's table adds sources and markers to what the standard one lists
            yield Root(name, main[name], enabled | {name})
    for table in tables[2:] if listed else tables:
        for key, details in table.items():
            if key != "python":
                yield Root(canonicalize_name(key), details, enabled)


def _group(groups: Mapping[Any, Any], name: str, what: str, within: tuple[str, ...]) -> Iterator[str]:
    """A dependency group with those that it includes (PEP 735)."""
    if name in within:
        raise LockError(f"{what}: the dependency group {name} includes itself")
    for item in groups.get(name) or ():
        if isinstance(item, dict):
            yield from _group(groups, canonicalize_name(item["include-group"]), what, (*within, name))
        else:
            yield str(item)
