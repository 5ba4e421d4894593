"""`connectors environment`: what will be installed and why, before anything is fetched."""

import json

import click

from airbyte_ci.build import base as bases
from airbyte_ci.build import explain, lockfile
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli import workbench
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError
from airbyte_ci.python import inventory
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.reports import environment as report


@click.command("environment")
@click.option("-t", "--tag", default="dev", show_default=True, help="The local tag of the build to compare with.")
@click.option("--base-image", metavar="ADDRESS", help="On this base instead of the one in the metadata.")
@with_selection
def environment(settings: Settings, asked: Asked, tag: str, base_image: str | None) -> int:
    """Show the packages of a connector's image: who asked for each, what it replaces, what is new."""
    fleet = fleets.load_for_change(settings, asked, "show")
    if len(fleet.connectors) != 1:
        raise UsageError(
            f"environment takes one connector, and {len(fleet.connectors)} are selected", advice="--name=…"
        )
    (connector,) = fleet.connectors
    store = workbench.open_store()
    pull = workbench.Registry(settings, fleet.configuration, store).pull
    address = bases.address(connector, base_image)
    python = inventory.of(store, bases.resolve(store, address, workbench.local_platform(), pull).image)
    index = PackageIndex.from_environment(workbench.environment(), offline=settings.offline)
    lock = lockfile.select(connector, python.interpreter, store, index)
    last = explain.last_build(store, f"{connector.image_repository}:{tag}")
    explained = explain.explain(lock, python, last)
    if settings.as_json:
        click.echo(json.dumps([item.to_json() for item in explained], indent=2))
    else:
        click.echo(report.table(explained, last), nl=False)
        click.echo(f"on {address.name} {address.tag or ''} with Python {python.interpreter.version}, by {lock.kind}")
    return 0
