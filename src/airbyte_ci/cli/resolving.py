"""Locks that airbyte-ci itself resolves, and what migrations query and try before they change connectors."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airbyte_ci.app import App, find_platform, written_day
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.migrations.migration import Migration, Resources
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError
from airbyte_ci.oci.image import Platform

if TYPE_CHECKING:  # slow to import, and most migrations resolve and try nothing
    from airbyte_ci.images.order import Order
    from airbyte_ci.images.rules import Rules
    from airbyte_ci.python.environment.tools import Tools
    from airbyte_ci.python.interpreter.interpreter import Interpreter
    from airbyte_ci.python.sources.sdist import Builder

PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64"))


def open_builder(
    connector: Connector, tools: "Tools", platforms: Sequence[Platform] = PLATFORMS, base_image: str | None = None
) -> "tuple[Builder, list[Interpreter]]":
    """Returns where the connector's code reports its requirements, and each platform's interpreter."""
    from airbyte_ci.images import asking, locking
    from airbyte_ci.images import base as bases

    native = find_platform()
    here = bases.open_base(tools, bases.address_for_packages(connector, base_image), native, native)
    tools.say("resolving")
    return asking.builder(tools, here), [locking.on(here.python.interpreter, item) for item in platforms]


def refresh(connector: Connector, app: App, rules: "Rules", only: tuple[str, ...]) -> bytes:
    """Returns the connector's pylock.toml or hashed requirements with newer versions: all, or those in `only`."""
    from airbyte_ci.images import locking

    upgrade = locking.Upgrade(not only, only)
    tools = app.tools(connector.name)
    builder, interpreters = open_builder(connector, tools)
    return locking.refresh(connector, interpreters, rules, builder, upgrade)


def trial_order(app: App) -> "Order":
    """Returns the order of a build that tries a change: for this machine's platform, without names.

    A connector without a lock file is built with yesterday's packages, the latest that no longer change.
    """
    from airbyte_ci.images.order import Order

    day = app.configuration.resolve_as_of or (written_day() - timedelta(days=1)).isoformat()
    return Order(platforms=(app.native,), native=app.native, tags=(), rules=app.rules(day), passed=app.passed)


def refuse_offline(migration: Migration[Any], settings: Settings) -> None:
    """Raises UsageError with --offline, for a migration that queries the package index."""
    if migration.prepare and settings.offline:
        raise UsageError(f"{migration.id} asks the package index, and --offline was given")


def preparation(migration: Migration[Any], app: App) -> Callable[[Task, object], bytes] | None:
    """Returns the slow part of a migration, from a task and its options; None if it has none."""
    prepare = migration.prepare
    if prepare is None:
        return None
    rules = app.rules(None)
    resources = Resources(app.environment, lambda connector, only: refresh(connector, app, rules, only))

    def work(task: Task, options: object) -> bytes:
        migration.require(task, options)
        return prepare(task, options, resources)

    return work
