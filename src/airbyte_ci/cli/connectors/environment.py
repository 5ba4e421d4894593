"""`connectors environment`: shows which packages will be installed, and why, without installing them."""

from pathlib import Path

import click

from airbyte_ci.app import find_framework
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import SelectionOptions, with_framework, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError
from airbyte_ci.images import askers, explain, naming, planning
from airbyte_ci.images import base as bases
from airbyte_ci.reports import environment as report


@click.command("environment")
@click.option("-t", "--tag", default="dev", show_default=True, help="Compare with the local image that has this tag.")
@click.option("--base-image", metavar="ADDRESS", help="Use this base image instead of the one in metadata.yaml.")
@click.option(
    "--resolve-as-of",
    metavar="DAY",
    help="Resolve connectors without a lock file as of this date, such as 2024-04-01.",
)
@with_framework
@with_selection
def environment(
    settings: Settings,
    asked: SelectionOptions,
    tag: str,
    base_image: str | None,
    resolve_as_of: str | None,
    local_cdk: Path | None,
    cdk_reference: str | None,
) -> int:
    """Show the packages of a connector's image: what requires each, what it replaces, what is new."""
    fleet = fleets.load_for_change(settings, asked, "show")
    if len(fleet.connectors) != 1:
        raise UsageError(
            f"environment takes one connector, but {len(fleet.connectors)} are selected",
            advice="select one with --name",
        )
    (connector,) = fleet.connectors
    address = bases.address_for_packages(connector, base_image)
    with workbench.open_app(settings, fleet.configuration) as (app, _):
        tools = app.tools(connector.name)
        instead = find_framework(local_cdk, cdk_reference)
        base = bases.open_base(tools, address, app.native, app.native)
        python = base.python
        lock = planning.select(connector, base, tools, app.rules(resolve_as_of), instead)
        choices = planning.choose_files(lock, connector, base, tools)
        lock = askers.derived(lock, choices, tools, python.interpreter)
    last = explain.last_build(app.store, f"{connector.image_repository}:{naming.tag(tag, connector)}", app.native)
    explained = explain.explain(lock, choices, python, last)
    if settings.as_json:
        console.document([item.to_json() for item in explained], indent=2)
    else:
        console.block(report.table(explained, last, console.width()))
        console.line(f"on {address.name} {address.tag or ''} with Python {python.interpreter.version}, by {lock.kind}")
    return 0
