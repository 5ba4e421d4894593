"""`campaign history`: how many connectors were on which base image over time, from git alone."""

import click

from airbyte_ci import app
from airbyte_ci.campaigns.waves import base_history
from airbyte_ci.cli import console
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import SelectionOptions, json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.reports import base_history as report


@click.command("history")
@click.option("--since", metavar="DAY", help="Begin at this date, or so many days ago, such as 90d (default: all).")
@click.option(
    "--points",
    type=click.IntRange(2, 400),
    default=base_history.DAYS,
    show_default=True,
    metavar="N",
    help="Show at most N days.",
)
@click.option("--ref", default="HEAD", show_default=True, metavar="REF", help="Read the history of this branch.")
@json_option
@click.pass_obj
def show_history(settings: Settings, since: str | None, points: int, ref: str, *, as_json: bool) -> int:
    """Show the number of connectors on each base image over time. Reads git only: no state, no network."""
    settings = settings.also(as_json=as_json)
    fleet = fleets.load(settings, SelectionOptions(everything=True))
    folders = base_history.folders_of(fleet.connectors)
    first = base_history.parse_since(since, app.today())
    found = base_history.read(fleet.configuration.root, ref, folders, points, first)
    if settings.as_json:
        console.document(report.to_json(found))
    elif found:
        console.block(report.text(found, console.width()))
    else:
        console.line("the history has no metadata.yaml of a connector", err=True)
    return 0
