"""`connectors environment`: what will be installed and why, before anything is installed."""

from pathlib import Path

import click

from airbyte_ci.build import askers, explain, naming, planning
from airbyte_ci.build import base as bases
from airbyte_ci.build.assembly import Workbench
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import Asked, with_framework, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.reports import environment as report


@click.command("environment")
@click.option("-t", "--tag", default="dev", show_default=True, help="Compare with the local image of this tag.")
@click.option("--base-image", metavar="ADDRESS", help="On this base instead of the one in the metadata.")
@click.option(
    "--resolve-as-of",
    metavar="DAY",
    help="For connectors without a lock: as of this day, 2024-04-01.",
)
@with_framework
@with_selection
def environment(
    settings: Settings,
    asked: Asked,
    tag: str,
    base_image: str | None,
    resolve_as_of: str | None,
    local_cdk: Path | None,
    cdk_reference: str | None,
) -> int:
    """Show the packages of a connector's image: who asked for each, what it replaces, what is new."""
    fleet = fleets.load_for_change(settings, asked, "show")
    if len(fleet.connectors) != 1:
        raise UsageError(
            f"environment takes one connector, and {len(fleet.connectors)} are selected",
            advice="select one with --name",
        )
    (connector,) = fleet.connectors
    store = workbench.open_store()
    address = bases.address(connector, base_image)
    index = PackageIndex.from_environment(workbench.environment(), offline=settings.offline)
    rules, native = workbench.rules(fleet.configuration, resolve_as_of), workbench.local_platform()
    with workbench.registries(settings, fleet.configuration) as registry, workbench.threads() as pool:
        instead = workbench.framework(local_cdk, cdk_reference)
        bench = Workbench(store, index, registry, pool, {}, lambda _: None, rules=rules, framework=instead)
        under = planning.ground(bench, address, native, native)
        python = under.python
        lock = planning.selected(connector, bench, under)
        choices = planning.choices(lock, connector, bench, under)
        lock = askers.derived(lock, choices, bench, python.interpreter)
    last = explain.last_build(store, f"{connector.image_repository}:{naming.tag(tag, connector)}", native)
    explained = explain.explain(lock, choices, python, last)
    if settings.as_json:
        console.document([item.to_json() for item in explained], indent=2)
    else:
        console.block(report.table(explained, last, console.width()))
        console.line(f"on {address.name} {address.tag or ''} with Python {python.interpreter.version}, by {lock.kind}")
    return 0
