"""`campaign hold` and `campaign resume`: the key `hold` of the campaign file, which is reviewed like any change."""

import click

from airbyte_ci import config, disk
from airbyte_ci.campaigns.waves import campaign_file
from airbyte_ci.campaigns.waves.file_edits import remove_key, set_key
from airbyte_ci.cli import console
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError
from airbyte_ci.reports import next_step


@click.command("hold")
@click.argument("name", metavar="NAME")
@click.option("--reason", required=True, help="Say why, in one line.")
@click.pass_obj
def hold_campaign(settings: Settings, name: str, reason: str) -> int:
    """Write `hold` to the campaign file: no pull request is opened or merged until `resume`.

    The next run also stops automatic merges that are under way. Commit the file for others and for CI.
    """
    return write(settings, name, "hold", " ".join(reason.split()), "on hold")


@click.command("resume")
@click.argument("name", metavar="NAME")
@click.pass_obj
def resume_campaign(settings: Settings, name: str) -> int:
    """Remove `hold` from the campaign file.

    To pass a failed gate, fix, exclude or accept its failures. A yanked target needs a new campaign.
    """
    root = config.find(settings.repo).root
    file = campaign_file.load(root, name)
    if not file.hold:
        raise UsageError(f"{file.path} has no hold", advice=f"see why it waits: airbyte-ci campaign status {file.name}")
    path = root / file.path
    disk.write_file(path, remove_key(path.read_text("utf-8"), "hold", file.path).encode())
    console.line(f"{file.name} continues")
    console.line(f"  {next_step.line(f'git add {file.path} && git commit')}")
    return 0


def write(settings: Settings, name: str, key: str, value: str, done: str) -> int:
    """Sets a key of the campaign file; raises UsageError for an empty value."""
    root = config.find(settings.repo).root
    file = campaign_file.load(root, name)
    if not value:
        raise UsageError("--reason is empty", advice="give the reason in a few words")
    path = root / file.path
    disk.write_file(path, set_key(path.read_text("utf-8"), key, value, file.path).encode())
    console.line(f"{file.name} is {done}: {value}")
    console.line(f"  {next_step.line(f'git add {file.path} && git commit')}")
    return 0
