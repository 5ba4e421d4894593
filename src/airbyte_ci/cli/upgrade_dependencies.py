"""`connectors upgrade_dependencies`: upgrades the versions in connectors' lock files."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from airbyte_ci.campaigns.migrations import upgrade_dependencies as dependencies
from airbyte_ci.cli import campaign, resolving, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.campaign import Campaign
from airbyte_ci.cli.delivering import Destination
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError


@click.command("upgrade_dependencies")
@click.argument("pull_request", type=click.IntRange(min=1), required=False, metavar="[PR_NUMBER]")
@click.option("--package", "packages", multiple=True, metavar="NAME", help="Upgrade only this package; repeatable.")
@click.option(
    "--changelog-text", default="", help=f"Set the text of the changelog entry (default: {dependencies.SUBJECT})."
)
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
    """Upgrade locked packages, list the changes, bump versions and add changelog entries.

    poetry and uv refresh their own lock files; airbyte-ci resolves pylock.toml and hashed requirements itself.
    """
    if settings.offline:
        raise UsageError("upgrade_dependencies asks the package index, and --offline was given")
    fleet = fleets.load_for_change(settings, asked, "upgrade")
    number = campaign.number(pull_request, pull_request_number, destination)
    changelog_text = changelog_text and campaign.text(changelog_text)
    entry = campaign.entry(fleet, "upgrade_dependencies", number, changelog_text, changelog)
    environment, root = dict(os.environ), fleet.configuration.root
    with workbench.open_app(settings, fleet.configuration) as (app, _), ThreadPoolExecutor(asked.concurrency) as pool:

        def refresh(connector: Connector) -> bytes:
            if dependencies.is_made_by_tool(connector):
                return dependencies.refreshed(connector, root, environment, packages)
            return resolving.refresh(connector, app, app.rules(None), packages)

        # Resolving waits for the index most of the time; the edits are made one after the other.
        locks = {item.relative: pool.submit(refresh, item) for item in fleet.connectors if dependencies.lock_name(item)}
        return campaign.run(
            settings,
            asked,
            fleet,
            Campaign("upgrade_dependencies", "upgraded", dry_run, plan_file, destination),
            lambda item, files, base: dependencies.plan(
                item, fleet.configuration, files, base, entry, lambda: locks[item.relative].result()
            ),
        )
