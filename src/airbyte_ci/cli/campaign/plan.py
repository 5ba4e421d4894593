"""`campaign plan`: what a campaign would do to each connector, without trials and without GitHub."""

from contextlib import nullcontext
from datetime import date
from pathlib import Path

import click

from airbyte_ci import app
from airbyte_ci.campaigns.changes import plan as plan_file
from airbyte_ci.campaigns.changes.change import NotApplicable
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli.campaign.opened import open_campaign
from airbyte_ci.cli.campaign.planned import Planner, open_planner
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.reports import campaign_plan as report
from airbyte_ci.reports.campaign_plan import PlannedConnector


@click.command("plan")
@click.argument("name", metavar="NAME")
@click.option(
    "--plan",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the edits of all connectors to this plan file, for `airbyte-ci apply`.",
)
@json_option
@click.pass_obj
def plan_campaign(settings: Settings, name: str, path: Path | None, *, as_json: bool) -> int:
    """Show the wave and the change of each connector. Writes no connector, and asks neither GitHub nor registries."""
    settings = settings.also(as_json=as_json)
    with (
        open_campaign(settings, name, asks_github=False) as opened,
        workbench.open_app(settings, opened.fleet.configuration) as (tools, _),
    ):
        planner = open_planner(opened, tools)
        items = _plan(planner, app.now().date(), path)
    if settings.as_json:
        for item in items:
            console.document(item.to_json())
    else:
        console.block(report.text(opened.file, items, console.width()))
    return int(any(item.status == "failed" for item in items))


def _plan(planner: Planner, today: date, path: Path | None) -> list[PlannedConnector]:
    items = []
    try:
        with plan_file.open_writer(path, planner.migration.id) if path else nullcontext() as writer:
            for member in planner.opened.membership.members:
                if exclusion := planner.opened.file.exclusion(member.name, today):
                    items.append(PlannedConnector(member.name, member.wave, "skipped", str(exclusion)))
                    continue
                try:
                    change = planner.plan(member)
                except NotApplicable as error:
                    items.append(PlannedConnector(member.name, member.wave, "skipped", error.message))
                except AirbyteCiError as error:
                    items.append(PlannedConnector(member.name, member.wave, "failed", error.message))
                else:
                    items.append(PlannedConnector(member.name, member.wave, "ok", change.summary))
                    if writer:
                        writer.add(change)
    except OSError as error:
        raise UsageError(f"cannot write the plan {path}: {error.strerror}") from error
    return items
