"""`connectors lock`: what a connector without a lock needs, resolved and written beside it as pylock.toml."""

import click

from airbyte_ci.build import asking, locking, planning
from airbyte_ci.build import base as bases
from airbyte_ci.build.assembly import Workbench
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.platforms import parse_platform
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.edit import Edit
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.image import Platform
from airbyte_ci.outcomes import Outcome, exit_code
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.reports import terminal

_BOTH = ("linux/amd64", "linux/arm64")


@click.command("lock")
@click.option(
    "--resolve-as-of", metavar="DAY", help="Take what there was on this day, as in 2024-04-01 (default: now)."
)
@click.option(
    "-a",
    "--architecture",
    "platforms",
    multiple=True,
    metavar="PLATFORM",
    help="For these platforms (default: linux/amd64 and linux/arm64); repeatable.",
)
@click.option("--base-image", metavar="ADDRESS", help="For the Python of this base instead of the one in the metadata.")
@click.option("--dry-run", is_flag=True, help="Print the diff, change nothing.")
@with_selection
def lock_connectors(
    settings: Settings,
    asked: Asked,
    resolve_as_of: str | None,
    platforms: tuple[str, ...],
    base_image: str | None,
    dry_run: bool,
) -> int:
    """Resolve what connectors without a lock ask for, and write it as pylock.toml (PEP 751) for builds to read."""
    fleet = fleets.load_for_change(settings, asked, "lock")
    wanted = tuple(dict.fromkeys(parse_platform(text) for text in platforms or _BOTH))
    rules = workbench.rules(fleet.configuration, resolve_as_of)
    outcomes = []
    with Progress(settings) as progress, workbench.threads() as pool:
        store = workbench.open_store()
        index = PackageIndex.from_environment(workbench.environment(), offline=settings.offline)
        with workbench.registries(settings, fleet.configuration) as registry:
            for connector in fleet.connectors:
                bench = Workbench(store, index, registry, pool, {}, progress.teller(connector.name), rules=rules)
                edit, outcome = _lock(connector, bench, wanted, base_image)
                if not dry_run and outcome.status == "ok":
                    edit.apply(fleet.configuration.root)
                progress.clear(connector.name)
                outcomes.append(outcome)
                with progress.paused():
                    _show(settings, edit if dry_run else Edit(), outcome, alone=len(fleet.connectors) == 1)
    if not settings.as_json:
        console.block(terminal.ending(outcomes, "locked", whole=asked.whole(len(fleet.connectors))))
    return exit_code(outcomes)


def _show(settings: Settings, edit: Edit, outcome: Outcome, *, alone: bool) -> None:
    if settings.as_json:
        console.document(outcome.to_json())
        return
    console.content(edit.diff())
    console.block(terminal.outcome(outcome, alone=alone))


def _lock(
    connector: Connector, bench: Workbench, wanted: tuple[Platform, ...], base_image: str | None
) -> tuple[Edit, Outcome]:
    """The edit that writes the lock, and how making it ended."""
    try:
        edit = _plan(connector, bench, wanted, base_image)
    except AirbyteCiError as error:
        return Edit(), Outcome(connector.name, "failed", "", error.message, error.advice or "", error.details)
    return edit, _outcome(connector, edit)


def _plan(connector: Connector, bench: Workbench, wanted: tuple[Platform, ...], base_image: str | None) -> Edit:
    locking.refuse_other(connector)
    native = workbench.local_platform()
    here = planning.ground(bench, bases.address(connector, base_image), native, native)
    bench.say("resolving")
    interpreters = [locking.on(here.python.interpreter, platform) for platform in wanted]
    return locking.plan(connector, interpreters, bench.rules, asking.builder(bench, here))


def _outcome(connector: Connector, edit: Edit) -> Outcome:
    path = f"{connector.relative}/{locking.FILE}"
    if not edit:
        return Outcome(connector.name, "skipped", reason=f"{path} is current", facts={"path": path})
    ((_, added, removed),) = edit.counts()
    return Outcome(
        connector.name,
        "ok",
        f"{path} +{added} −{removed}",
        advice=f"airbyte-ci connectors --name={connector.name} build",
        facts={"path": path},
    )
