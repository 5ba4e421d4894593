"""`campaign dashboard`: the GitHub issue that shows a campaign and takes commands."""

from contextlib import closing

import click

from airbyte_ci import app
from airbyte_ci.campaigns.waves import dashboard
from airbyte_ci.campaigns.waves.dashboard import Commands
from airbyte_ci.campaigns.waves.github_issue import GitHubIssue
from airbyte_ci.campaigns.waves.state import CampaignState
from airbyte_ci.cli import console
from airbyte_ci.cli.campaign.opened import OpenCampaign, open_campaign, refuse_offline
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError
from airbyte_ci.reports import campaign as report


@click.command("dashboard")
@click.argument("name", metavar="NAME")
@click.option("--issue", type=click.IntRange(min=1), metavar="N", help="Write this issue (default: `dashboard`).")
@click.pass_obj
def write_dashboard(settings: Settings, name: str, issue: int | None) -> int:
    """Write the status to a GitHub issue, with tick boxes that hold, start a wave, retry and revert.

    With `dashboard: N` in the campaign file, each run reads the boxes first and updates the issue. The issue must be
    empty or already that of the campaign, and opened by a member of the repository.
    """
    refuse_offline(settings)
    with open_campaign(settings, name) as opened:
        number = issue or opened.file.dashboard
        if number is None:
            raise UsageError(
                f"{opened.file.path} names no dashboard", advice="add `dashboard: N` to the file, or --issue N"
            )
        commands = read(opened, number)
        started, held = decisions(commands)
        state = opened.state(app.now(), started, held)
        is_new = update(opened, number, state, commands)
    console.line(f"issue {number} {'is updated' if is_new else 'is up to date'}")
    return 0


def read(opened: OpenCampaign, number: int) -> Commands:
    """Returns the ticked commands of the campaign's issue; raises UsageError if it is used for something else."""
    with closing(_issue(opened, number)) as issue:
        body = issue.read()
    if body.strip() and not dashboard.is_of(opened.file, body):
        raise UsageError(
            f"issue {number} is not the dashboard of {opened.file.name}: it has another text",
            advice="open an empty issue for the campaign",
        )
    return dashboard.read(body)


def decisions(commands: Commands) -> tuple[frozenset[str], str]:
    """Returns the waves that people started, and why they hold the campaign."""
    return commands.started, "held on the dashboard" if commands.is_held else ""


def update(opened: OpenCampaign, number: int, state: CampaignState, done: Commands) -> bool:
    """Writes the issue; boxes that were ticked since `done` was read stay ticked. Returns whether it changed."""
    status = report.markdown(opened.file, opened.membership, state)
    with closing(_issue(opened, number)) as issue:
        before = issue.read()
        now = dashboard.read(before)
        # A retry that was read is done; other boxes stay as they are now.
        kept = Commands(now.is_held, now.is_reverted, now.started, now.retried - done.retried)
        body = dashboard.write(opened.file, opened.membership, state, kept, status, before)
        if body == before.replace("\r\n", "\n"):
            return False
        issue.write(body)
    return True


def _issue(opened: OpenCampaign, number: int) -> GitHubIssue:
    assert opened.repository is not None, "commands refuse --offline"
    return GitHubIssue(opened.repository, number)
