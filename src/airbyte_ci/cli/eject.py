"""`connectors eject`: the Dockerfile that does what a build does, for whoever wants to go on without airbyte-ci."""

import shlex
from pathlib import Path

import click

from airbyte_ci.build import eject as ejecting
from airbyte_ci.build import planning, source
from airbyte_ci.build.assembly import Workbench
from airbyte_ci.build.eject import Ejected
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.platforms import parse_platform
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.oci.image import Platform
from airbyte_ci.outcomes import Outcome, exit_code
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.reports import terminal


@click.command("eject")
@click.option("-a", "--architecture", "platform", metavar="PLATFORM", help="linux/amd64 or linux/arm64.")
@click.option("--base-image", metavar="ADDRESS", help="For this base instead of the one in the metadata.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the Dockerfile and all that it needs into a new folder; several connectors have one each below it.",
)
@with_selection
def eject(settings: Settings, asked: Asked, platform: str | None, base_image: str | None, output: Path | None) -> int:
    """Print the Dockerfile that does the same; with -o, write it with everything that `docker build` needs.

    Exit code 1 where something cannot be said in a Dockerfile: it is named, and the rest is written.
    """
    fleet = fleets.load_for_change(settings, asked, "eject")
    if output is None and len(fleet.connectors) != 1:
        raise UsageError("without -o, eject prints one Dockerfile", advice="name one connector with --name, or say -o")
    native = workbench.local_platform()
    wanted = parse_platform(platform) if platform else native
    outcomes = []
    with Progress(settings, len(fleet.connectors)) as progress, workbench.threads() as pool:
        store = workbench.open_store()
        environment = workbench.environment()
        index = PackageIndex.from_environment(environment, offline=settings.offline)
        names = fleet.configuration.hook_environment
        passed = {name: environment[name] for name in names if name in environment}
        with workbench.registries(settings, fleet.configuration) as registry:
            for connector in fleet.connectors:
                say = progress.teller(connector.name)
                rules = workbench.rules(fleet.configuration)
                bench = Workbench(store, index, registry, pool, passed, say, rules=rules)
                place = output / connector.name if output and len(fleet.connectors) > 1 else output
                try:
                    ejected = _ejected(connector, bench, wanted, native, base_image)
                    if place:
                        ejecting.write(ejected, place)
                    outcome = _outcome(connector, ejected, place)
                except UsageError:
                    raise
                except AirbyteCiError as error:
                    outcome = Outcome(connector.name, "failed", "", error.message, error.advice or "", error.details)
                    ejected = None
                progress.clear(connector.name)
                outcomes.append(outcome)
                with progress.paused():
                    _show(settings, outcome, None if place else ejected, alone=len(fleet.connectors) == 1)
    return exit_code(outcomes)


def _ejected(
    connector: Connector, bench: Workbench, platform: Platform, native: Platform, base_image: str | None
) -> Ejected:
    planned = planning.plan(connector, bench, platform, native, base_image)
    plan, ground = planned.plan, planned.assembly.ground
    code = source.entries(connector, plan.source.main, plan.source.owner)
    python = ground.python.interpreter.executable
    return ejecting.eject(plan, ground.base.image, python, code, bench.store.verified)


def _outcome(connector: Connector, ejected: Ejected, place: Path | None) -> Outcome:
    facts = {"folder": str(place) if place else None, "lost": list(ejected.lost), "files": sorted(ejected.files)}
    if ejected.lost:
        reason = f"a Dockerfile cannot say: {'; '.join(ejected.lost)}"
        return Outcome(connector.name, "failed", reason=reason, advice="see to it by hand", facts=facts)
    advice = (
        f"docker build -t {connector.image_repository}:dev {shlex.quote(workbench.shown_path(place))}" if place else ""
    )
    told = f"{workbench.shown_path(place)}: Dockerfile and {len(ejected.files)} files beside it" if place else ""
    return Outcome(connector.name, "ok", told, advice=advice, facts=facts)


def _show(settings: Settings, outcome: Outcome, printed: Ejected | None, *, alone: bool) -> None:
    """A Dockerfile on stdout has it for itself; what is to be told goes to stderr then."""
    if settings.as_json:
        text = {"dockerfile": printed.dockerfile} if printed else {}
        console.document({**outcome.to_json(), **text})
        return
    if printed:
        console.content(printed.dockerfile)
    if not printed or outcome.status == "failed":
        console.block(terminal.outcome(outcome, alone=alone), err=printed is not None)
