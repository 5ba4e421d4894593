"""The `campaign` group."""

from collections.abc import Mapping

import click

from airbyte_ci.cli.lazy import LazyGroup

_MODULE = "airbyte_ci.cli.campaign"
_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "plan": (f"{_MODULE}.plan", "plan_campaign", "Show what a campaign would change, and write the plan file."),
    "run": (f"{_MODULE}.run", "run_campaign", "Take the next step: try changes, open and merge pull requests."),
    "status": (f"{_MODULE}.status", "show_status", "Show the state of each connector."),
    "hold": (f"{_MODULE}.hold", "hold_campaign", "Stop opening and merging pull requests."),
    "resume": (f"{_MODULE}.hold", "resume_campaign", "Continue a campaign that is on hold."),
    "revert": (f"{_MODULE}.revert", "revert_campaign", "Open pull requests that undo merged changes."),
    "close": (f"{_MODULE}.close", "close_campaign", "End a campaign."),
    "dashboard": (f"{_MODULE}.dashboard", "write_dashboard", "Write the GitHub issue of a campaign."),
    "history": (f"{_MODULE}.history", "show_history", "Show how many connectors used each base image over time."),
}


@click.group("campaign", cls=LazyGroup, lazy=_COMMANDS)
def campaign() -> None:
    """Change a fleet in waves, with trials, gates and pull requests.

    A campaign is a file campaigns/NAME.yaml, such as:

    \b
      migration: upgrade_base_image
      select: base.behind > 0
      waves:
        - {name: canary, size: 1, soak: 1d}
        - {name: rest, gate: {failures: 10%, floor: 1}}

    `airbyte-ci campaign run NAME` takes one step and can be repeated at any time, for example every hour in CI.
    """
