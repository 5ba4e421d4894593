"""`connectors upgrade_base_image`: to a newer base image, or back to an older one."""

from collections.abc import Mapping
from pathlib import Path

import click

from airbyte_ci.base_images import catalogue
from airbyte_ci.campaigns.changes.baseline import Baseline
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.migrations import upgrade_base_image as upgrade
from airbyte_ci.cli import campaign, trying
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.campaign import Campaign
from airbyte_ci.cli.delivering import Destination
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.files import Files


@click.command("upgrade_base_image")
@click.argument("pull_request", type=click.IntRange(min=1), required=False, metavar="[PR_NUMBER]")
@click.option(
    "--to",
    metavar="VERSION",
    help="Use this base image version (2.0.0), the newest of a line (2.0, 2) or `latest`. Older versions and other "
    "major versions are allowed. By default, use the newest of the same major version.",
)
@click.option("--changelog-text", default="", help="Set the text of the changelog entry (default: the new base image).")
@click.option(
    "--set-if-not-exists",
    "set_missing",
    type=bool,
    default=False,
    show_default=True,
    help="Also set a base image for Python connectors that have neither a base image nor a Dockerfile.",
)
@trying.option
@campaign.options
@with_selection
def upgrade_base_image(
    settings: Settings,
    asked: Asked,
    pull_request: int | None,
    to: str | None,
    changelog_text: str,
    set_missing: bool,
    is_tried: bool,
    pull_request_number: int | None,
    dry_run: bool,
    plan_file: Path | None,
    changelog: bool | None,
    destination: Destination,
) -> int:
    """Move connectors to the newest base image of their major version, bump versions and add changelog entries.

    A base image that is named only by its tag gets its full address with the digest. The version is not bumped if
    this branch has already bumped it.
    """
    to, changelog_text = campaign.version(to), changelog_text and campaign.text(changelog_text)
    fleet = fleets.load_for_change(settings, asked, "upgrade")
    known = catalogue.load(fleet.configuration.catalogue_path)
    number = campaign.number(pull_request, pull_request_number, destination)
    entry = campaign.entry(fleet, "upgrade_base_image", number, changelog_text, changelog)

    def attempt(connector: Connector, files: Files, git: Baseline, failed: Mapping[str, str]) -> Change:
        settled = (fleet.configuration, known, files, git, entry, to)
        return upgrade.plan(connector, *settled, set_missing=set_missing, failed=failed)

    with trying.planner(settings, fleet, attempt, is_tried=is_tried) as planner:
        how = Campaign("upgrade_base_image", "upgraded", dry_run, plan_file, destination)
        return campaign.run(settings, asked, fleet, how, planner)
