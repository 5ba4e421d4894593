"""`connectors migrate_to_base_image`: from a Dockerfile to the latest base image."""

from collections.abc import Mapping
from pathlib import Path

import click

from airbyte_ci.base_images import catalogue
from airbyte_ci.campaigns.changes.baseline import Baseline
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.migrations import migrate_to_base_image as migrate
from airbyte_ci.cli import campaign, trying
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.campaign import Campaign
from airbyte_ci.cli.compatibility import compatible_migration
from airbyte_ci.cli.delivering import Destination
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.files import Files


@click.command("migrate_to_base_image")
@click.argument("pull_request", type=click.IntRange(min=1), required=False, metavar="[PR_NUMBER]")
@click.option(
    "--to",
    metavar="VERSION",
    help="Use this base image version (1.2.0), or the newest of a line (1.2, 1). By default, use the newest that the "
    "connector's Python allows.",
)
@click.option(
    "--changelog-text", default=migrate.SUBJECT, show_default=True, help="Set the text of the changelog entry."
)
@trying.option
@compatible_migration
@campaign.options
@with_selection
def migrate_to_base_image(
    settings: Settings,
    asked: Asked,
    pull_request: int | None,
    to: str | None,
    changelog_text: str,
    is_tried: bool,
    pull_request_number: int | None,
    dry_run: bool,
    plan_file: Path | None,
    changelog: bool | None,
    destination: Destination,
) -> int:
    """Replace the Dockerfile with the latest base image, bump the version and add a changelog entry.

    The Dockerfile's other instructions become a draft build_customization.yaml or .py, or are reported. Without
    PR_NUMBER no changelog entry is written: run the command again with the number to add the entry.
    """
    to, changelog_text = campaign.version(to), campaign.text(changelog_text)
    fleet = fleets.load_for_change(settings, asked, "migrate")
    known = catalogue.load(fleet.configuration.catalogue_path)
    number = campaign.number(pull_request, pull_request_number, destination)
    entry = campaign.entry(fleet, "migrate_to_base_image", number, changelog_text, changelog)

    def attempt(connector: Connector, files: Files, git: Baseline, failed: Mapping[str, str]) -> Change:
        return migrate.plan(connector, fleet.configuration, known, files, git, entry, to, failed)

    with trying.planner(settings, fleet, attempt, is_tried=is_tried) as planner:
        how = Campaign("migrate_to_base_image", "migrated", dry_run, plan_file, destination)
        return campaign.run(settings, asked, fleet, how, planner, migrate.DOOMED)
