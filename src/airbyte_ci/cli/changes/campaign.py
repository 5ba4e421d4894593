"""A run of a migration: the options that all migrations share, and planning, reporting and writing the changes."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.campaigns.changes import baseline, plan
from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.changes.plan import Writer
from airbyte_ci.campaigns.changes.task import RequestedEntry, Task
from airbyte_ci.campaigns.migrations.migration import Migration
from airbyte_ci.cli import console
from airbyte_ci.cli.changes import delivering
from airbyte_ci.cli.changes.delivering import HERE, Courier, Destination
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.options import SelectionOptions, with_options
from airbyte_ci.cli.settings import Settings
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.outcomes import Outcome, Status, exit_code, failure
from airbyte_ci.reports import changes as report
from airbyte_ci.reports import next_step, terminal

Planner = Callable[[Task], Change]
Preparer = Callable[[Task], Callable[[], bytes]]
"""Starts the preparation of a task, and returns the function that waits for its result."""

_OPTIONS = (
    click.option(
        "--pull-request-number",
        "--pr-number",
        type=click.IntRange(min=1),
        metavar="N",
        help="Same as the argument PR_NUMBER.",
    ),
    click.option("--dry-run", is_flag=True, help="Print the diff and write nothing."),
    click.option(
        "--plan",
        "plan_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write the edits to this plan file, for `airbyte-ci apply`, and change nothing else.",
    ),
    click.option(
        "--changelog/--no-changelog",
        "changelog",
        default=None,
        help="Write the changelog entry, or print the row to paste (default: write it, unless the configuration "
        "sets `changelog = false`).",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One run of a migration on the selected connectors: its inputs, whether it writes, and where."""

    settings: Settings
    asked: SelectionOptions
    fleet: Fleet
    migration: Migration[Any]
    entry: RequestedEntry
    catalog: Catalog
    dry_run: bool
    plan_file: Path | None
    destination: Destination


def options(command: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds --pull-request-number, --dry-run, --plan, --changelog and the delivery options, as `destination`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return with_options(delivering.options(command)(function), _OPTIONS)

    return decorate


def run(campaign: Campaign, planner: Planner, prepare: Preparer | None = None) -> int:
    """Plans each connector, then writes or prints the change; a named connector that cannot change is a failure."""
    courier = _courier(campaign)
    outcomes = []
    number = len(campaign.fleet.connectors)
    with _plan_file(campaign) as writer, closing(courier) if courier else nullcontext():
        for outcome in _Work(campaign, planner, writer, courier).outcomes(_tasks(campaign, prepare)):
            _tell(outcome, campaign, alone=number == 1)
            # Thousands of diffs would fill the memory; the summary needs only the status.
            outcomes.append(Outcome(subject=outcome.subject, status=outcome.status, advice=outcome.advice))
    _count(outcomes, campaign, campaign.asked.whole(number))
    return exit_code(outcomes)


def _tasks(campaign: Campaign, prepare: Preparer | None) -> Sequence[Task]:
    """Returns the task of each connector; all preparations have started."""
    fleet, configuration = campaign.fleet, campaign.fleet.configuration
    known = baseline.of(
        fleet.connectors, configuration, campaign.asked.selection.diffed_branch, campaign.migration.deletes
    )
    files = Files(configuration.root)
    tasks = [
        Task(
            connector=connector,
            configuration=configuration,
            files=files,
            baseline=known,
            entry=campaign.entry,
            catalog=campaign.catalog,
        )
        for connector in fleet.connectors
    ]
    return [replace(task, prepared=prepare(task)) for task in tasks] if prepare else tasks


def _courier(campaign: Campaign) -> Courier | None:
    """Returns what delivers the changes; None for the working tree."""
    if campaign.destination == HERE:
        return None
    if campaign.plan_file:
        raise UsageError(
            "--plan writes a plan file and delivers nothing",
            advice=f"run airbyte-ci apply {campaign.plan_file} with these options",
        )
    return Courier(
        campaign.destination,
        campaign.settings,
        root=campaign.fleet.configuration.root,
        command=campaign.migration.id,
        diffed_branch=campaign.asked.selection.diffed_branch,
        dry_run=campaign.dry_run,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """Plans tasks, and hands each change on: to the plan file, to the courier, or into the working tree."""

    campaign: Campaign
    planner: Planner
    writer: Writer | None
    courier: Courier | None

    def outcomes(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Yields the outcome of each connector."""
        for task in tasks:
            try:
                if outcome := self._take(task, self.planner(task)):
                    yield outcome
            except NotApplicable as error:
                if self.courier:
                    self.courier.settle(task.connector.name)
                named = task.connector.name in self.campaign.asked.selection.names
                yield _refused(task, error, "failed" if named else "skipped")
            except AirbyteCiError as error:
                yield _refused(task, error, "failed")
        if self.courier:
            yield from self.courier.rest()

    def _take(self, task: Task, change: Change) -> Outcome | None:
        """Returns the outcome of a change; None if it is delivered and reported together with the others."""
        dry_run = self.campaign.dry_run
        if self.writer:
            self.writer.add(change)
        if (self.writer or dry_run or self.courier) and self.campaign.destination.is_chained:
            task.files.record(change.edit, outside=task.connector.relative)
        if self.courier:
            return self.courier.take(change)
        if not self.writer and not dry_run:
            change.edit.apply(task.files.root)
        return report.outcome(change, with_diff=dry_run)


def _refused(task: Task, error: AirbyteCiError, status: Status) -> Outcome:
    refused = failure(task.connector.name, error)
    return refused if status == "failed" else replace(refused, status=status, advice="", error_id="")


@contextmanager
def _plan_file(campaign: Campaign) -> Iterator[Writer | None]:
    """Opens the plan file, which appears only when it is complete."""
    if campaign.plan_file is None:
        yield None
        return
    try:
        with plan.open_writer(campaign.plan_file, campaign.migration.id) as writer:
            yield writer
    except OSError as error:
        raise UsageError(f"cannot write the plan {campaign.plan_file}: {error.strerror}") from error


def _tell(outcome: Outcome, campaign: Campaign, *, alone: bool) -> None:
    if campaign.settings.as_json:
        console.document(outcome.to_json(campaign.migration.id))
        return
    if "diff" in outcome.facts:
        console.content(outcome.facts["diff"])
    console.block(terminal.outcome(outcome, alone=alone), err=campaign.dry_run)


def _count(outcomes: list[Outcome], campaign: Campaign, whole: int) -> None:
    if campaign.settings.as_json:
        return
    done = campaign.migration.verb.done
    console.block(terminal.ending(outcomes, done, whole=whole), err=campaign.dry_run)
    if campaign.plan_file and any(item.status == "ok" for item in outcomes):
        console.line(next_step.line(f"airbyte-ci apply {shlex.quote(str(campaign.plan_file))}"), err=campaign.dry_run)
