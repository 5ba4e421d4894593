"""`connectors bump_version`: raises a connector's version in all of its files."""

import dataclasses
from pathlib import Path

import click

from airbyte_ci.campaigns.migrations import bump_version as bump
from airbyte_ci.cli import campaign
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.campaign import Campaign
from airbyte_ci.cli.delivering import Destination
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError


@click.command("bump_version")
@click.argument("kind", metavar="BUMP")
@click.argument("texts", nargs=-1, metavar="[PR_NUMBER] CHANGELOG_ENTRY")
@click.option(
    "--rc", is_flag=True, help="Use the first release candidate of the new version (with patch, minor or major)."
)
@campaign.options
@with_selection
def bump_version(
    settings: Settings,
    asked: Asked,
    kind: str,
    texts: tuple[str, ...],
    rc: bool,
    pull_request_number: int | None,
    dry_run: bool,
    plan_file: Path | None,
    changelog: bool | None,
    destination: Destination,
) -> int:
    """Bump versions and add changelog entries.

    BUMP is patch, minor, major, rc (the next release candidate), promote (release the candidate) or version:X.Y.Z.
    The bump starts from the released version, so repeating the same bump on a branch has no effect.
    CHANGELOG_ENTRY is optional if no changelog entry is written.
    """
    argument, subject = _texts(texts)
    bump.check(kind)
    number = campaign.number(argument, pull_request_number, destination)
    fleet = fleets.load_for_change(settings, asked, "bump")
    entry = campaign.entry(fleet, "bump_version", number, subject, changelog)
    if subject or (entry.is_wanted and entry.is_written):
        subject = campaign.text(_required(subject, texts))
    else:
        entry = dataclasses.replace(entry, is_wanted=False, subject="bump the version")
    return campaign.run(
        settings,
        asked,
        fleet,
        Campaign("bump_version", "bumped", dry_run, plan_file, destination),
        lambda item, files, base: bump.plan(item, fleet.configuration, files, base, entry, kind, rc=rc),
    )


def _texts(texts: tuple[str, ...]) -> tuple[int | None, str]:
    """Parses the forms that scripts use: `7 "text"`, `"text"`, and without a changelog entry `7` or nothing."""
    match texts:
        case ():
            return None, ""
        case (number,) if number.isdigit() and int(number) > 0:
            return int(number), ""
        case (number, subject) if number.isdigit() and int(number) > 0:
            return int(number), subject
        case (subject,):
            return None, subject
    raise _misused(texts)


def _required(subject: str, texts: tuple[str, ...]) -> str:
    if not subject and len(texts) < 2:
        raise _misused(texts)
    return subject


def _misused(texts: tuple[str, ...]) -> UsageError:
    return UsageError(
        f"bump_version takes BUMP [PR_NUMBER] CHANGELOG_ENTRY, not {' '.join(map(repr, texts)) or 'only BUMP'}",
        advice='for example: bump_version patch 4711 "What changed"; the text is optional with --no-changelog',
    )
