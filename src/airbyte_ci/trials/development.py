"""A connector's development dependencies, from its lock, as layers on top of its image; never named, never pushed.

Knows which groups and extras are for tests, and takes everything else from the build.
"""

from dataclasses import dataclass, replace
from typing import Any

from packaging.utils import canonicalize_name

from airbyte_ci.build import job, lockfile, planning
from airbyte_ci.build.job import Order, Tools
from airbyte_ci.build.plan import BuildPlan
from airbyte_ci.build.rules import Rules
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.container.api import Operation
from airbyte_ci.errors import LockError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.python import toml

# The names that projects give to what their tests need.
_NAMES = frozenset({"dev", "develop", "development", "test", "tests", "testing"})


@dataclass(frozen=True, slots=True)
class Development:
    """What tests need beside the image: `operations` on top of it, and the image's Python, as a path in it.

    `groups` are the names that were found; `has_pytest` is whether image and groups together have it.
    """

    groups: tuple[str, ...]
    operations: tuple[Operation, ...]
    python: str
    main: str
    has_pytest: bool


def prepare(connector: Connector, order: Order, tools: Tools, plan: Digest) -> Development:
    """Selects, fetches and converts what the image does not have already; raises LockError, PackageError, …"""
    groups, extras = asked(connector)
    rules = _with(order.rules, connector, groups, extras)
    bench = job.workbench(connector, replace(order, rules=rules), tools, order.native)
    given = BuildPlan.parse(tools.store.path(plan).read_bytes(), f"the plan of {connector.name}")
    planned = planning.from_plan(given, connector, bench, order.native)
    there = {choice.name for choice in given.packages}
    choices = planning.chosen(connector, bench, planned.assembly.ground) if groups or extras else ()
    added = tuple(choice for choice in choices if choice.name not in there)
    has_pytest = "pytest" in there or any(choice.name == "pytest" for choice in added)
    operations = replace(planned.assembly, packages=added).installing() if has_pytest else ()
    python = planned.assembly.ground.python.interpreter.executable
    return Development((*groups, *extras), operations, python, given.source.main, has_pytest)


def _with(rules: Rules, connector: Connector, groups: tuple[str, ...], extras: tuple[str, ...]) -> Rules:
    def more(table: Any, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        return {**table, connector.name: (*table.get(connector.name, ()), *names)} if names else dict(table)

    return replace(rules, groups=more(rules.groups, groups), extras=more(rules.extras, extras))


def asked(connector: Connector) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The groups and extras for tests that the lock has, under the project's own spelling."""
    kind = lockfile.kind(connector)
    if kind == "pylock.toml":
        lock = _toml(connector, kind)
        return _of(lock.get("dependency-groups")), _of(lock.get("extras"))
    if kind not in ("poetry.lock", "uv.lock") or "pyproject.toml" not in connector.names:
        return (), ()
    project = _toml(connector, "pyproject.toml")
    tool = project.get("tool") or {}
    poetry = tool.get("poetry") or {}
    groups = [*_of(project.get("dependency-groups"))]
    if kind == "poetry.lock":
        groups += _of(poetry.get("group"))
        groups += ["dev"] if poetry.get("dev-dependencies") else []
        extras = [*_of((project.get("project") or {}).get("optional-dependencies")), *_of(poetry.get("extras"))]
    else:
        groups += ["dev"] if (tool.get("uv") or {}).get("dev-dependencies") else []
        extras = [*_of((project.get("project") or {}).get("optional-dependencies"))]
    return tuple(dict.fromkeys(groups)), tuple(dict.fromkeys(extras))


def _of(table: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in table or () if canonicalize_name(str(name)) in _NAMES)


def _toml(connector: Connector, name: str) -> dict[str, Any]:
    try:
        text = (connector.folder / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"reading {connector.relative}/{name}: {error}") from error
    return toml.parse(text, f"{connector.relative}/{name}")
