"""`connectors upgrade_dependencies`: locks made anew, by the tool that made them."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from airbyte_ci.campaigns import dependencies
from airbyte_ci.cli import campaign
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.campaign import Campaign
from airbyte_ci.cli.delivering import Destination
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError


@click.command("upgrade_dependencies")
@click.argument("pull_request", type=click.IntRange(min=1), required=False, metavar="[PR_NUMBER]")
@click.option("--package", "packages", multiple=True, metavar="NAME", help="Only this package; repeatable.")
@click.option("--changelog-text", default="", help=f"What the changelog entry says (default: {dependencies.SUBJECT}).")
@campaign.options
@with_selection
def upgrade_dependencies(
    settings: Settings,
    asked: Asked,
    pull_request: int | None,
    packages: tuple[str, ...],
    changelog_text: str,
    pull_request_number: int | None,
    dry_run: bool,
    plan_file: Path | None,
    changelog: bool | None,
    destination: Destination,
) -> int:
    """Refresh poetry.lock or uv.lock, say what changed, bump the version and add the changelog entry."""
    if settings.offline:
        raise UsageError("upgrade_dependencies asks the package index, and --offline was given")
    fleet = fleets.load_for_change(settings, asked, "upgrade")
    number = campaign.number(pull_request, pull_request_number, destination)
    changelog_text = changelog_text and campaign.text(changelog_text)
    entry = campaign.entry(fleet, "upgrade_dependencies", number, changelog_text, changelog)
    environment, root = dict(os.environ), fleet.configuration.root
    with ThreadPoolExecutor(asked.concurrency) as pool:
        # The tools wait for the index most of the time; the edits are made one after the other.
        locks = {
            item.relative: pool.submit(dependencies.refreshed, item, root, environment, packages)
            for item in fleet.connectors
            if dependencies.lock_name(item)
        }
        return campaign.run(
            settings,
            asked,
            fleet,
            Campaign("upgrade_dependencies", "upgraded", dry_run, plan_file, destination),
            lambda item, files, base: dependencies.plan(
                item, fleet.configuration, files, base, entry, lambda: locks[item.relative].result()
            ),
        )
