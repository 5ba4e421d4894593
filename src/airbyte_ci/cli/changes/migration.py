"""Makes the command of a migration in the table: its arguments, its options and its run."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import click

from airbyte_ci.app import App
from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.task import NO_CATALOG, Task
from airbyte_ci.campaigns.migrations import table
from airbyte_ci.campaigns.migrations.migration import Migration, plan_change
from airbyte_ci.campaigns.migrations.option import Kind, Option, declared
from airbyte_ci.cli import ending, resolving, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.changes import campaign, changelog_entry, prove_option, trying
from airbyte_ci.cli.changes.campaign import Campaign, Preparer
from airbyte_ci.cli.changes.changelog_entry import Decorator
from airbyte_ci.cli.compatibility import without_effect
from airbyte_ci.cli.options import SelectionOptions, with_options, with_selection
from airbyte_ci.cli.settings import Settings

_SHAPES: Mapping[Kind, Mapping[str, Any]] = {
    "text": {},
    "texts": {"multiple": True},
    "flag": {"is_flag": True},
    "yes or no": {"type": bool, "default": False, "show_default": True},
}


def make_command(name: str) -> click.Command:
    """Returns the command of a migration in the table."""
    migration = table.load(name)

    def run(settings: Settings, asked: SelectionOptions, **given: object) -> int:
        return _run(migration, settings, asked, given)

    function = with_options(campaign.options(migration.id)(with_selection(run)), [*_decorators(migration)])
    return click.command(migration.id, help=migration.help)(function)


def _decorators(migration: Migration[Any]) -> Iterator[Decorator]:
    own = declared(migration.options).items()
    yield from (click.argument(name, metavar=item.spelling) for name, item in own if item.kind == "argument")
    yield from changelog_entry.arguments(migration.text)
    yield from (_click_option(name, item) for name, item in own if item.kind != "argument")
    yield from changelog_entry.options(migration.text)
    if migration.chooses_base_image:
        yield trying.option
    if migration.can_be_proven:
        yield from prove_option.OPTIONS
    yield from (without_effect(spelling, why) for spelling, why in migration.ignores.items())


def _click_option(name: str, item: Option) -> Decorator:
    return click.option(item.spelling, name, metavar=item.metavar, help=item.help, **_SHAPES[item.kind])


def _run(migration: Migration[Any], settings: Settings, asked: SelectionOptions, given: dict[str, Any]) -> int:
    """Plans the change of each selected connector, and writes or delivers it."""
    options = migration.options(**{name: given.pop(name) for name in declared(migration.options)})
    is_tried, proof = given.pop("is_tried", False), prove_option.read(given)
    resolving.refuse_offline(migration, settings)
    words = changelog_entry.read(migration, given["destination"], given)
    fleet = fleets.load_for_change(settings, asked, migration.verb.do)
    started = Campaign(
        settings=settings,
        asked=asked,
        fleet=fleet,
        migration=migration,
        entry=changelog_entry.request(words, migration, fleet.configuration.changelog),
        catalog=(catalog.load(fleet.configuration.catalog_path) if migration.chooses_base_image else NO_CATALOG),
        **given,
    )

    def plan(task: Task) -> Change:
        return plan_change(migration, task, options)

    if not is_tried and not proof and migration.prepare is None:
        return campaign.run(started, plan)
    with workbench.open_app(settings, fleet.configuration) as (app, progress):
        planner = trying.planner(started, plan, app, progress) if is_tried else plan
        if proof:
            from airbyte_ci.cli.changes import proving  # slow to import

            planner = proving.planner(started, planner, app, progress, proof)
        with _preparer(migration, options, app, asked.concurrency) as prepare:
            return campaign.run(started, planner, prepare)


@contextlib.contextmanager
def _preparer(migration: Migration[Any], options: object, app: App, width: int) -> Iterator[Preparer | None]:
    """Gives the function that starts a preparation in a thread, `width` at a time; None if nothing is prepared."""
    prepare = resolving.preparation(migration, app)
    if prepare is None:
        yield None
        return
    with ending.pool(width) as pool:
        yield lambda task: pool.submit(prepare, task, options).result
