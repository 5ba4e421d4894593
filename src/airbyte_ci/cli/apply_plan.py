"""`airbyte-ci apply`: exactly the edits of a plan."""

import json
from pathlib import Path

import click

from airbyte_ci import config
from airbyte_ci.campaigns import plan
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.outcomes import Outcome
from airbyte_ci.reports import changes as report
from airbyte_ci.reports import terminal


@click.command("apply")
@click.argument("plan_file", metavar="PLAN", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print the diff, change nothing.")
@json_option
@click.pass_obj
def apply(settings: Settings, plan_file: Path, dry_run: bool, as_json: bool) -> int:
    """Apply exactly the edits of a plan that a command made with --plan.

    Every file is checked first: has one changed since, nothing is written. What an interrupted run has applied already
    is left as it is.
    """
    settings = settings.also(as_json=as_json)
    root = config.find(settings.repo).root
    outcomes = []
    for planned, edit in plan.verified(plan.read(plan_file), root):
        change = planned.change.with_edit(edit)
        if not edit:
            outcome = Outcome(change.connector, "skipped", reason=f"{change.connector} is as planned already")
        else:
            if not dry_run:
                edit.apply(root)
            outcome = report.outcome(change, with_diff=dry_run)
        outcomes.append(outcome)
        if settings.as_json:
            click.echo(json.dumps(outcome.to_json(), ensure_ascii=False))
        else:
            if "diff" in outcome.facts:
                click.echo(outcome.facts["diff"], nl=False)
            click.echo(terminal.outcome(outcome), err=dry_run)
    if not settings.as_json:
        click.echo(terminal.count(outcomes, "applied"), err=dry_run)
    return 0
