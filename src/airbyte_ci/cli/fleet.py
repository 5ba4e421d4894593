"""The repository as commands see it: its configuration and the connectors that were asked for."""

import os
from dataclasses import dataclass

import click

from airbyte_ci import config
from airbyte_ci.cli import base_facts, console, facts
from airbyte_ci.cli.base_facts import BaseFacts
from airbyte_ci.cli.options import Asked
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find, select
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.connectors.memory import Memory
from airbyte_ci.connectors.select import ModifiedFiles, Selection
from airbyte_ci.errors import AirbyteCiError, UsageError


@dataclass(frozen=True, slots=True)
class Fleet:
    """The selected connectors of a repository; `unreadable` are the errors of others that cannot be read.

    `bases` tells of their base images; `modified` asks git which files of theirs this branch modifies.
    """

    configuration: Configuration
    connectors: tuple[Connector, ...]
    total: int
    unreadable: tuple[AirbyteCiError, ...]
    bases: BaseFacts
    modified: ModifiedFiles


def load(settings: Settings, asked: Asked, *, may_be_empty: bool = False) -> Fleet:
    """All connectors where there is no filter. Warnings go to stderr; raises UsageError, QueryError.

    A configuration that selects no connector is an error, unless `may_be_empty`: a repository may hold base images
    only. A filter that selects none is not.
    """
    configuration = config.find(settings.repo)
    located = find.locate(configuration)
    if not may_be_empty:
        find.refuse_nothing(located, configuration)
    if located.folders:
        for pattern in located.unmatched:
            warn(f"connectors in {configuration.file}: no connector matches {pattern!r}")
    connectors, errors = find.read_located(located, configuration, _memory(configuration))
    selection = asked.selection
    here = find.containing(connectors, settings.repo.absolute())
    if here and not selection and not asked.everything:
        selection = Selection(names=(here.name,))
    _refuse_named(errors, selection, connectors)
    modified = facts.modified_files(connectors, configuration, asked.selection.diffed_branch)
    bases = base_facts.opened(configuration)
    chosen = select.select(connectors, selection, facts.of(bases, modified), modified)
    bases.save()
    for warning in chosen.warnings:
        warn(warning)
    return Fleet(configuration, chosen.connectors, len(connectors), errors, bases, modified)


def load_for_change(settings: Settings, asked: Asked, verb: str) -> Fleet:
    """As `load`, for commands that change or build: nothing selected by nobody is refused.

    That nothing was modified is how most pushes are: it is told, and ends the command well.
    """
    fleet = load(settings, asked)
    if not asked.selection and not asked.everything and len(fleet.connectors) == fleet.total > 1:
        raise UsageError(f"{verb} what? No connector was selected", advice="name one with --name, filter, or say --all")
    if not fleet.connectors and (asked.selection.modified or asked.selection.metadata_changes):
        console.line(f"no modified connector matches, so there is nothing to {verb}", err=True)
        raise click.exceptions.Exit(0)
    if not fleet.connectors:
        raise UsageError(f"no connector matches, so there is nothing to {verb}", advice="airbyte-ci connectors list")
    return fleet


def warn(message: str) -> None:
    """One line on stderr, marked as what a person should know."""
    console.line(click.style("! ", fg="yellow") + message, err=True)


def _memory(configuration: Configuration) -> Memory:
    """What was read of this repository before, in the user's cache folder."""
    return Memory(config.home(os.environ) / "metadata" / f"{config.place(configuration.root)}.tsv")


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
        console.error(str(error))
