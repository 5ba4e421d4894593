"""Locks that airbyte-ci itself resolves: on the connector's base image, for each platform."""

from collections.abc import Sequence

from airbyte_ci.app import App, find_platform
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.images import asking, locking
from airbyte_ci.images import base as bases
from airbyte_ci.images.rules import Rules
from airbyte_ci.oci.image import Platform
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.sources.sdist import Builder

PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64"))


def open_builder(
    connector: Connector, tools: Tools, platforms: Sequence[Platform] = PLATFORMS, base_image: str | None = None
) -> tuple[Builder, list[Interpreter]]:
    """Returns where the connector's code reports its requirements, and each platform's interpreter."""
    native = find_platform()
    here = bases.open_base(tools, bases.address_for_packages(connector, base_image), native, native)
    tools.say("resolving")
    return asking.builder(tools, here), [locking.on(here.python.interpreter, item) for item in platforms]


def refresh(connector: Connector, app: App, rules: Rules, only: tuple[str, ...]) -> bytes:
    """Returns the connector's pylock.toml or hashed requirements with newer versions: all, or those in `only`."""
    upgrade = locking.Upgrade(not only, only)
    with app.tools(connector.name) as tools:
        builder, interpreters = open_builder(connector, tools)
        return locking.refresh(connector, interpreters, rules, builder, upgrade)
