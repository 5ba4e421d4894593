"""The repository as commands see it: its configuration and the selected connectors."""

import os
from pathlib import Path

import click

from airbyte_ci import config
from airbyte_ci.campaigns.migrations.table import MIGRATIONS
from airbyte_ci.cli import base_facts, console, facts
from airbyte_ci.cli.base_facts import BaseFacts
from airbyte_ci.cli.options import SelectionOptions
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find, select
from airbyte_ci.connectors.connector import JAVA, Connector
from airbyte_ci.connectors.memory import MetadataCache
from airbyte_ci.connectors.select import ModifiedFiles, Selection
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The selected connectors of a repository; `unreadable` are the errors of connectors that cannot be read.

    `bases` has the facts about their base images. `modified` returns the files that this branch modifies, by git.
    `selected` is their number in all shards together.
    """

    configuration: Configuration
    connectors: tuple[Connector, ...]
    selected: int
    total: int
    unreadable: tuple[AirbyteCiError, ...]
    bases: BaseFacts
    modified: ModifiedFiles


def load(settings: Settings, asked: SelectionOptions, *, may_be_empty: bool = False) -> Fleet:
    """Loads the selected connectors, or all without a filter. Prints warnings; raises UsageError and QueryError.

    A configuration without connectors is an error, unless `may_be_empty`: a repository may have only base images.
    A filter that selects no connector is not an error.
    """
    configuration = config.find(settings.repo, MIGRATIONS)
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
    if asked.shard:
        errors = asked.shard.select(errors, str)
    return Fleet(
        configuration=configuration,
        connectors=_of_shard(settings, asked, chosen.connectors),
        selected=len(chosen.connectors),
        total=len(connectors),
        unreadable=errors,
        bases=bases,
        modified=modified,
    )


def _of_shard(settings: Settings, asked: SelectionOptions, selected: tuple[Connector, ...]) -> tuple[Connector, ...]:
    """Returns the connectors of the requested shard, and reports their number."""
    if asked.shard is None:
        return selected
    part = asked.shard.select(selected, lambda connector: connector.name)
    if not settings.quiet:
        console.line(f"shard {asked.shard}: {len(part)} of {len(selected)} selected connectors", err=True)
    return part


def load_for_change(settings: Settings, asked: SelectionOptions, verb: str) -> Fleet:
    """Loads the fleet for commands that change or build; raises as `load` and `require_selected` do."""
    fleet = load(settings, asked)
    require_selected(fleet, asked, verb)
    return fleet


def require_selected(fleet: Fleet, asked: SelectionOptions, verb: str) -> None:
    """Raises UsageError if the user selected nothing.

    If no selected connector was modified, as in most pushes, prints that and exits with 0; so does an empty shard.
    """
    if not asked.selection and not asked.everything and fleet.selected == fleet.total > 1:
        raise UsageError(
            f"cannot {verb}: no connector is selected",
            advice="add --name, another filter, or --all",
            error_id="selection-empty",
        )
    if fleet.selected and not fleet.connectors:
        raise click.exceptions.Exit(0)
    if not fleet.connectors and (asked.selection.modified or asked.selection.metadata_changes):
        console.line(f"no modified connector matches, so there is nothing to {verb}", err=True)
        raise click.exceptions.Exit(0)
    if not fleet.connectors:
        raise UsageError(
            f"no connector matches, so there is nothing to {verb}",
            advice="airbyte-ci connectors list",
            error_id="selection-empty",
        )


def refuse_distribution(fleet: Fleet, distribution: Path | None) -> None:
    """Raises UsageError unless the selection is the one Java connector that a distribution is for."""
    if distribution and [connector.language for connector in fleet.connectors] != [JAVA]:
        raise UsageError("--dist-tar is for one Java connector", advice="select one with --name")


def warn(message: str) -> None:
    """Prints a warning to stderr."""
    console.line(click.style("! ", fg="yellow") + message, err=True)


def _memory(configuration: Configuration) -> MetadataCache:
    """Returns the cache of this repository's metadata, in the user's cache folder."""
    return MetadataCache(config.home(os.environ) / "metadata" / f"{config.place(configuration.root)}.tsv")


def _refuse_named(errors: tuple[AirbyteCiError, ...], selection: Selection, connectors: tuple[Connector, ...]) -> None:
    """Raises the read error of a named connector, rather than reporting its name as unknown."""
    known = {item.name for item in connectors}
    for name in selection.names:
        for error in errors:
            if name not in known and f"/{name}/" in f"/{error.message}":
                raise error


def tell_unreadable(fleet: Fleet) -> None:
    """Prints an error for each connector that cannot be read."""
    for error in fleet.unreadable:
        console.failure(error)
