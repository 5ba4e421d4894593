"""`airbyte-ci apply`: applies the edits of a plan file."""

from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import click

from airbyte_ci import config
from airbyte_ci.campaigns.changes import plan
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.cli import console
from airbyte_ci.cli.changes import delivering
from airbyte_ci.cli.changes.delivering import HERE, Courier, Destination
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.outcomes import Outcome, exit_code, failure
from airbyte_ci.reports import changes as report
from airbyte_ci.reports import terminal


@click.command("apply")
@click.argument("plan_file", metavar="PLAN", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print the diff and write nothing.")
@click.option(
    "--diffed-branch", metavar="REF", help="Start branches from REF and merge into it (default: the remote's HEAD)."
)
@delivering.options("plan")
@json_option
@click.pass_obj
def apply(
    settings: Settings,
    plan_file: Path,
    *,
    dry_run: bool,
    diffed_branch: str | None,
    destination: Destination,
    as_json: bool,
) -> int:
    """Apply the edits of a plan that a command wrote with --plan.

    All files are checked first: if one has changed since, nothing is written. Edits that an interrupted run already
    applied are skipped.
    """
    settings = settings.also(as_json=as_json)
    root = config.find(settings.repo).root
    made = plan.read(plan_file)
    courier = None
    if destination != HERE:
        branch = diffed_branch or settings.diffed_branch
        courier = Courier(destination, settings, root=root, command=made.command, diffed_branch=branch, dry_run=dry_run)
    outcomes = []
    with closing(courier) if courier else nullcontext():
        for outcome in _all(made, root, courier, dry_run=dry_run):
            outcomes.append(outcome)
            _tell(outcome, settings, dry_run=dry_run, alone=len(made.changes) == 1)
    if not settings.as_json:
        ending = terminal.ending(outcomes, "applied") or terminal.count(outcomes, "applied")
        console.block(ending, err=dry_run)
    return exit_code(outcomes)


def _all(made: plan.Plan, root: Path, courier: Courier | None, *, dry_run: bool) -> Iterator[Outcome]:
    for planned, edit in plan.verified(made, root):
        change = planned.change.with_edit(edit)
        if not edit:
            if courier:
                courier.settle(change.connector)
            yield Outcome(
                subject=change.connector, status="skipped", reason=f"{change.connector} already has the planned edits"
            )
        elif courier:
            if outcome := _deliver(courier, change):
                yield outcome
        else:
            if not dry_run:
                edit.apply(root)
            yield report.outcome(change, with_diff=dry_run)
    if courier:
        yield from courier.rest()


def _deliver(courier: Courier, change: Change) -> Outcome | None:
    try:
        return courier.take(change)
    except AirbyteCiError as error:
        return failure(change.connector, error)


def _tell(outcome: Outcome, settings: Settings, *, dry_run: bool, alone: bool) -> None:
    if settings.as_json:
        console.document(outcome.to_json("apply"))
        return
    if "diff" in outcome.facts:
        console.content(outcome.facts["diff"])
    console.block(terminal.outcome(outcome, alone=alone), err=dry_run)
