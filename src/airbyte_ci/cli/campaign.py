"""The options that all migration commands share, and the run that plans, reports and writes changes."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from airbyte_ci import app
from airbyte_ci.campaigns.changes import baseline, plan
from airbyte_ci.campaigns.changes.baseline import Baseline
from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.changes.plan import Writer
from airbyte_ci.campaigns.connector_files.release import Entry
from airbyte_ci.cli import console, delivering
from airbyte_ci.cli.delivering import HERE, Courier, Destination
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.options import Asked
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits import changelog
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.outcomes import Outcome, Status, exit_code
from airbyte_ci.reports import changes as report
from airbyte_ci.reports import next_step, terminal


@dataclass(frozen=True, slots=True)
class Campaign:
    """How a run behaves: its command, the past participle for reports, whether it writes, and where."""

    command: str
    done: str
    dry_run: bool
    plan_file: Path | None
    destination: Destination = HERE


Planner = Callable[[Connector, Files, Baseline], Change]

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


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --pull-request-number, --dry-run, --plan, --changelog and the delivery options, as `destination`."""
    function = delivering.options()(function)
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def number(argument: int | None, option: int | None, destination: Destination) -> int | None:
    """Returns the pull request of the argument or option; raises UsageError if they differ, or if one is opened."""
    if (argument or option) and destination.kind == "pull request":
        raise UsageError("GitHub assigns the number of a new pull request", advice=f"leave out {argument or option}")
    if argument and option and argument != option:
        raise UsageError(f"two different pull requests are given: {argument} and {option}")
    return argument or option


def version(to: str | None) -> str | None:
    """Returns the base image of --to; raises UsageError if it is empty, as from an unset variable of a script."""
    if to is not None and not to.strip():
        raise UsageError("--to is empty", advice="leave it out, or give a version of `airbyte-ci base-images list`")
    return to


def entry(fleet: Fleet, command: str, pull_request: int | None, subject: str, changelog: bool | None) -> Entry:
    """Returns the changelog entry of a run. `changelog` is the option; without it, the configuration decides."""
    is_wanted = fleet.configuration.changelog.of(command) or changelog is True
    return Entry(pull_request, subject, app.written_day(), is_written=changelog is not False, is_wanted=is_wanted)


def text(subject: str) -> str:
    """Returns the text of changelog entries; raises UsageError for a text that does not fit into a table."""
    if not changelog.is_subject(subject):
        raise UsageError(f"the changelog entry must be one non-empty line, not {subject!r}")
    return subject


def run(
    settings: Settings,
    asked: Asked,
    fleet: Fleet,
    campaign: Campaign,
    planner: Planner,
    doomed: tuple[str, ...] = (),
) -> int:
    """Plans each connector, then writes or prints the change; a named connector that cannot change is a failure."""
    courier = _courier(settings, asked, fleet, campaign)
    known = baseline.of(fleet.connectors, fleet.configuration, asked.selection.diffed_branch, doomed)
    files = Files(fleet.configuration.root)
    outcomes = []
    with _plan_file(campaign) as writer, closing(courier) if courier else nullcontext():
        for outcome in _all(fleet, asked, files, known, campaign, planner, writer, courier):
            _tell(outcome, settings, campaign, alone=len(fleet.connectors) == 1)
            # Thousands of diffs would fill the memory; the summary needs only the status.
            outcomes.append(Outcome(outcome.subject, outcome.status, advice=outcome.advice))
    _count(outcomes, settings, campaign, asked.whole(len(fleet.connectors)))
    return exit_code(outcomes)


def _courier(settings: Settings, asked: Asked, fleet: Fleet, campaign: Campaign) -> Courier | None:
    """Returns what delivers the changes; None for the working tree."""
    if campaign.destination == HERE:
        return None
    if campaign.plan_file:
        raise UsageError(
            "--plan writes a plan file and delivers nothing",
            advice=f"run airbyte-ci apply {campaign.plan_file} with these options",
        )
    root, branch = fleet.configuration.root, asked.selection.diffed_branch
    return Courier(campaign.destination, settings, root, campaign.command, branch, dry_run=campaign.dry_run)


def _all(
    fleet: Fleet,
    asked: Asked,
    files: Files,
    known: Baseline,
    campaign: Campaign,
    planner: Planner,
    writer: Writer | None,
    courier: Courier | None,
) -> Iterator[Outcome]:
    for connector in fleet.connectors:
        if outcome := _one(connector, asked, files, known, campaign, planner, writer, courier):
            yield outcome
    if courier:
        yield from courier.rest()


def _one(
    connector: Connector,
    asked: Asked,
    files: Files,
    known: Baseline,
    campaign: Campaign,
    planner: Planner,
    writer: Writer | None,
    courier: Courier | None,
) -> Outcome | None:
    """Returns the outcome of one connector; None if it is delivered and reported together with the others."""
    try:
        change = planner(connector, files, known)
        if writer:
            writer.add(change)
        if (writer or campaign.dry_run or courier) and campaign.destination.is_chained:
            files.record(change.edit, outside=connector.relative)
        if courier:
            return courier.take(change)
        if not writer and not campaign.dry_run:
            change.edit.apply(files.root)
        return report.outcome(change, with_diff=campaign.dry_run)
    except NotApplicable as error:
        if courier:
            courier.settle(connector.name)
        named = connector.name in asked.selection.names
        status: Status = "failed" if named else "skipped"
        return Outcome(connector.name, status, reason=error.message, advice=(error.advice or "") if named else "")
    except AirbyteCiError as error:
        return Outcome(connector.name, "failed", reason=error.message, advice=error.advice or "")


@contextmanager
def _plan_file(campaign: Campaign) -> Iterator[Writer | None]:
    """Opens the plan file, which appears only when it is complete."""
    if campaign.plan_file is None:
        yield None
        return
    try:
        with plan.open_writer(campaign.plan_file, campaign.command) as writer:
            yield writer
    except OSError as error:
        raise UsageError(f"cannot write the plan {campaign.plan_file}: {error.strerror}") from error


def _tell(outcome: Outcome, settings: Settings, campaign: Campaign, *, alone: bool) -> None:
    if settings.as_json:
        console.document(outcome.to_json())
        return
    if "diff" in outcome.facts:
        console.content(outcome.facts["diff"])
    console.block(terminal.outcome(outcome, alone=alone), err=campaign.dry_run)


def _count(outcomes: list[Outcome], settings: Settings, campaign: Campaign, whole: int) -> None:
    if settings.as_json:
        return
    console.block(terminal.ending(outcomes, campaign.done, whole=whole), err=campaign.dry_run)
    if campaign.plan_file and any(item.status == "ok" for item in outcomes):
        console.line(next_step.line(f"airbyte-ci apply {shlex.quote(str(campaign.plan_file))}"), err=campaign.dry_run)
