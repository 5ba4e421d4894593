"""`campaign status`: the state of each connector, as GitHub, git and registries know it now."""

from pathlib import Path

import click

from airbyte_ci import app
from airbyte_ci.campaigns.waves import base_history
from airbyte_ci.campaigns.waves.state import STATES, State
from airbyte_ci.cli import console
from airbyte_ci.cli.campaign.opened import open_campaign
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.report_file import write_report
from airbyte_ci.cli.settings import Settings
from airbyte_ci.reports import campaign as report

_HISTORY_DAYS = 24


@click.command("status")
@click.argument("name", metavar="NAME")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Show only this state; repeatable.")
@click.option(
    "--markdown", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a Markdown report."
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write an HTML page.")
@json_option
@click.pass_obj
def show_status(
    settings: Settings,
    name: str,
    states: tuple[State, ...],
    markdown: Path | None,
    html: Path | None,
    *,
    as_json: bool,
) -> int:
    """Show waves, connectors by state, and reasons. Changes nothing.

    With the global option --offline, the recorded state of the last run is shown.
    """
    settings = settings.also(as_json=as_json)
    with open_campaign(settings, name) as opened:
        state = opened.state(app.now())
    if settings.as_json:
        console.document(report.to_json(opened.file, opened.membership, state))
    else:
        console.block(report.text(opened.file, opened.membership, state, states, console.width()))
    if markdown:
        write_report(markdown, report.markdown(opened.file, opened.membership, state), make_folders=True)
    if html:
        from airbyte_ci.reports import campaign_page  # imports Jinja2

        folders = base_history.folders_of(member.connector for member in opened.membership.members)
        history = base_history.read(opened.fleet.configuration.root, opened.base, folders, _HISTORY_DAYS)
        write_report(html, campaign_page.html(opened.file, opened.membership, state, history), make_folders=True)
    return 0
