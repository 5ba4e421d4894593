"""The repository as commands see it: its configuration and the connectors that were asked for."""

from dataclasses import dataclass

import click

from airbyte_ci import config
from airbyte_ci.cli.options import Asked
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find, select
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.connectors.select import Selection
from airbyte_ci.errors import AirbyteCiError, UsageError


@dataclass(frozen=True, slots=True)
class Fleet:
    """The selected connectors of a repository; `unreadable` are the errors of others that cannot be read."""

    configuration: Configuration
    connectors: tuple[Connector, ...]
    total: int
    unreadable: tuple[AirbyteCiError, ...]


def load(settings: Settings, asked: Asked) -> Fleet:
    """All connectors where there is no filter. Warnings go to stderr; raises UsageError, QueryError."""
    configuration = config.find(settings.repo)
    connectors, errors = find.find(configuration)
    selection = asked.selection
    here = find.containing(connectors, settings.repo.absolute())
    if here and not selection and not asked.everything:
        selection = Selection(names=(here.name,))
    _refuse_named(errors, selection, connectors)
    chosen = select.select(connectors, selection)
    for warning in chosen.warnings:
        click.echo(click.style("! ", fg="yellow") + warning, err=True)
    return Fleet(configuration, chosen.connectors, len(connectors), errors)


def load_for_change(settings: Settings, asked: Asked, verb: str) -> Fleet:
    """As `load`, for commands that change or build: nothing selected by nobody is refused."""
    fleet = load(settings, asked)
    if not asked.selection and not asked.everything and len(fleet.connectors) == fleet.total > 1:
        raise UsageError(f"{verb} what? No connector was selected", advice="name one with --name, filter, or say --all")
    if not fleet.connectors:
        raise UsageError(f"no connector matches, so there is nothing to {verb}", advice="airbyte-ci connectors list")
    return fleet


def _refuse_named(errors: tuple[AirbyteCiError, ...], selection: Selection, connectors: tuple[Connector, ...]) -> None:
    """A connector that was named and cannot be read is that error, not an unknown name."""
    known = {item.name for item in connectors}
    for name in selection.names:
        for error in errors:
            if name not in known and f"/{name}/" in f"/{error.message}":
                raise error


def tell_unreadable(fleet: Fleet) -> None:
    """Each connector that cannot be read, on stderr."""
    for error in fleet.unreadable:
        click.echo(click.style("✗ ", fg="red") + str(error), err=True)
