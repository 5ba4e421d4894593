"""`connectors bump_version`: a new version, everywhere it is written."""

from pathlib import Path

import click

from airbyte_ci.campaigns import bump
from airbyte_ci.campaigns.release import Entry
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
@click.option("--rc", is_flag=True, help="Its first release candidate (with patch, minor or major).")
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
    no_changelog: bool,
    destination: Destination,
) -> int:
    """Bump versions, with their changelog entries.

    BUMP is patch, minor, major, rc (the next release candidate), promote (a candidate becomes the release) or
    version:X.Y.Z. It counts from what is released, so a branch is never bumped twice for the same reason.
    """
    argument, subject = _texts(texts)
    subject = campaign.text(subject)
    bump.check(kind)
    number = campaign.number(argument, pull_request_number, destination)
    fleet = fleets.load_for_change(settings, asked, "bump")
    entry = Entry(number, subject, campaign.today(), is_written=not no_changelog)
    return campaign.run(
        settings,
        asked,
        fleet,
        Campaign("bump_version", "bumped", dry_run, plan_file, destination),
        lambda item, files, base: bump.plan(item, fleet.configuration, files, base, entry, kind, rc=rc),
    )


def _texts(texts: tuple[str, ...]) -> tuple[int | None, str]:
    """Both orders that scripts use: `7 "text"` and `"text"`."""
    match texts:
        case (number, subject) if number.isdigit() and int(number) > 0:
            return int(number), subject
        case (subject,):
            return None, subject
    raise UsageError(
        f"bump_version takes BUMP [PR_NUMBER] CHANGELOG_ENTRY, not {' '.join(map(repr, texts)) or 'only BUMP'}",
        advice='airbyte-ci connectors --name=… bump_version patch 4711 "What changed"',
    )
