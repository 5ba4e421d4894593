"""A connector's development dependencies from its lock, as layers on its image; never named, never pushed.

Knows which groups and extras are for tests, and takes everything else from the build.
"""

from dataclasses import dataclass, replace
from typing import Any

from packaging.utils import canonicalize_name

from airbyte_ci.connectors import pylock_names
from airbyte_ci.connectors.connector import MANIFEST_ONLY, Connector
from airbyte_ci.errors import LockError
from airbyte_ci.images import given, lockfile, planning
from airbyte_ci.images.add_code import AddCode
from airbyte_ci.images.evaluation import open_evaluation
from airbyte_ci.images.order import Order
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.images.rules import Rules
from airbyte_ci.oci.digest import Digest
from airbyte_ci.python.environment.install import InstallPackages
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.locks import toml
from airbyte_ci.recipe.state import State
from airbyte_ci.rootfs.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Development:
    """The environment of tests: the image's root with these packages, and the path of the image's Python.

    `groups` are the names that were found; `has_pytest` is whether the image and the groups together have pytest.
    `state` is the container after the plan's operations and this one.
    """

    groups: tuple[str, ...]
    state: State
    tree: Tree
    python: str
    main: str
    has_pytest: bool


def prepare(connector: Connector, order: Order, tools: Tools, digest: Digest) -> Development:
    """Selects, fetches and converts the packages that this plan's image lacks; raises LockError, PackageError, …"""
    project = _test_project(connector)
    groups, extras = asked(project)
    plan = BuildPlan.parse(tools.store.path(digest).read_bytes(), f"the plan of {connector.name}")
    evaluation = open_evaluation(connector, tools, address=plan.base, platform=order.native, native=order.native)
    given.prepare(plan, evaluation)
    there = {choice.name for choice in plan.packages}
    rules = _with(order.rules, connector, groups, extras)
    wanted = planning.choose(project, evaluation.base, tools, rules, order.framework) if groups or extras else ()
    if project is not connector:
        # The framework and its dependencies stay those of the base image, because the connector runs on them.
        there |= {item.name for item in evaluation.base.python.distributions}
        wanted = planning.choose(project, evaluation.base, tools, rules) if lockfile.kind(project) else ()
    added = tuple(choice for choice in wanted if choice.name not in there)
    has_pytest = "pytest" in there or any(choice.name == "pytest" for choice in added)
    assert plan.install and isinstance(plan.code, AddCode), "Gradle tests what has no Python packages"
    installing = InstallPackages(added if has_pytest else (), plan.install.building, order.bytecode)
    evaluator = evaluation.evaluator
    state = evaluator.state((*plan.operations, installing))
    python = evaluation.base.python.interpreter.executable
    return Development(
        groups=(*groups, *extras),
        state=state,
        tree=evaluator.shipped(state),
        python=python,
        main=plan.code.main,
        has_pytest=has_pytest,
    )


def _test_project(connector: Connector) -> Connector:
    """Returns the project whose lock has the test dependencies; of a manifest-only connector, `unit_tests`."""
    folder = connector.folder / "unit_tests"
    if connector.language != MANIFEST_ONLY or not folder.is_dir():
        return connector
    names = frozenset(item.name for item in folder.iterdir())
    return replace(connector, folder=folder, relative=f"{connector.relative}/unit_tests", names=names)


def _with(rules: Rules, connector: Connector, groups: tuple[str, ...], extras: tuple[str, ...]) -> Rules:
    def more(table: Any, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:  # noqa: ANN401  # parsed data
        return {**table, connector.name: (*table.get(connector.name, ()), *names)} if names else dict(table)

    return replace(rules, groups=more(rules.groups, groups), extras=more(rules.extras, extras))


def asked(connector: Connector) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the lock's groups and extras for tests, with the project's own spelling."""
    kind = lockfile.kind(connector)
    if kind and pylock_names.is_pylock(kind):
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


def _of(table: Any) -> tuple[str, ...]:  # noqa: ANN401  # parsed data
    return tuple(str(name) for name in table or () if canonicalize_name(str(name)) in pylock_names.DEVELOPMENT)


def _toml(connector: Connector, name: str) -> dict[str, Any]:
    try:
        text = (connector.folder / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"reading {connector.relative}/{name}: {error}") from error
    return toml.parse(text, f"{connector.relative}/{name}")
