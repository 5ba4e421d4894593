"""`campaign close`: the end of a campaign, in its file."""

import click

from airbyte_ci import app
from airbyte_ci.cli import console
from airbyte_ci.cli.campaign import hold
from airbyte_ci.cli.campaign.opened import open_campaign, refuse_offline
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.reports import campaign as report


@click.command("close")
@click.argument("name", metavar="NAME")
@click.option("--reason", default="finished", show_default=True, help="Say why, in one line.")
@click.option("--close-pull-requests", is_flag=True, help="Also close the campaign's open pull requests.")
@click.pass_obj
def close_campaign(settings: Settings, name: str, reason: str, *, close_pull_requests: bool) -> int:
    """Write `closed` to the campaign file, and the last state next to it. Later runs do nothing."""
    refuse_offline(settings)
    with open_campaign(settings, name) as opened:
        if opened.file.closed:
            console.line(f"{opened.file.name} is closed already: {opened.file.closed}", err=True)
            return 0
        now = app.now()
        state = opened.state(now)
        left = [item.pull for item in state.connectors if item.pull and item.pull.status == "open"]
        if left and not close_pull_requests:
            numbers = ", ".join(f"#{pull.number}" for pull in left[:5]) + (" …" if len(left) > 5 else "")
            raise AirbyteCiError(
                f"cannot close {opened.file.name}: {len(left)} of its pull requests are open ({numbers})",
                advice="merge or close them, or add --close-pull-requests",
            )
        for pull in left:
            assert opened.pulls is not None, "pull requests are known online only"
            opened.pulls.shut(pull)
        if left:
            state = opened.again().state(now)
        opened.save(state)
        console.line(report.summary(state))
    return hold.write(settings, name, "closed", f"{now.date()}: {' '.join(reason.split())}", "closed")
