"""`connectors eject`: writes an equivalent Dockerfile, for those who leave airbyte-ci."""

import shlex
from pathlib import Path

import click

from airbyte_ci.cli import console, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import SelectionOptions, with_distribution, with_selection
from airbyte_ci.cli.platforms import architecture_option, parse_platform
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.images import base as bases
from airbyte_ci.images import distribution as distributions
from airbyte_ci.images import eject as ejecting
from airbyte_ci.images import planning, source
from airbyte_ci.images.add_code import AddCode
from airbyte_ci.images.eject import Ejected
from airbyte_ci.images.evaluation import open_evaluation
from airbyte_ci.images.order import Order
from airbyte_ci.outcomes import Outcome, exit_code, failure
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.reports import terminal


@click.command("eject")
@architecture_option("Write the Dockerfile for this platform (default: this machine's).", multiple=False)
@click.option("--base-image", metavar="ADDRESS", help="Use this base image instead of the one in metadata.yaml.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the Dockerfile and the files that it needs to a new folder; several connectors get a subfolder each.",
)
@with_distribution
@with_selection
def eject(
    settings: Settings,
    asked: SelectionOptions,
    platform: str | None,
    base_image: str | None,
    output: Path | None,
    distribution: Path | None,
) -> int:
    """Print an equivalent Dockerfile; with -o, write it together with the files that `docker build` needs.

    The exit code is 1 if a Dockerfile cannot express something: the command names it and writes the rest.
    """
    fleet = fleets.load_for_change(settings, asked, "eject")
    fleets.refuse_distribution(fleet, distribution)
    if output is None and len(fleet.connectors) != 1:
        raise UsageError(
            "eject prints one Dockerfile, and several connectors are selected",
            advice="name one connector with --name, or write to a folder with -o",
        )
    outcomes = []
    with workbench.open_app(settings, fleet.configuration, len(fleet.connectors)) as (app, progress):
        wanted = parse_platform(platform) if platform else app.native
        order = Order(
            platforms=(wanted,),
            native=app.native,
            override=base_image,
            rules=app.rules(),
            passed=app.passed,
            distribution=distribution,
        )
        for connector in fleet.connectors:
            place = output / connector.name if output and len(fleet.connectors) > 1 else output
            try:
                ejected = _eject(connector, app.tools(connector.name), order)
                if place:
                    ejecting.write(ejected, place)
                outcome = _outcome(connector, ejected, place)
            except UsageError:
                raise
            except AirbyteCiError as error:
                outcome = failure(connector.name, error)
                ejected = None
            progress.clear(connector.name)
            outcomes.append(outcome)
            with progress.paused():
                _show(settings, outcome, None if place else ejected, alone=len(fleet.connectors) == 1)
    return exit_code(outcomes)


def _eject(connector: Connector, tools: Tools, order: Order) -> Ejected:
    address, platform = bases.address(connector, order.override), order.platforms[0]
    evaluation = open_evaluation(
        connector,
        tools,
        address=address,
        platform=platform,
        native=order.native,
        distribution=order.distribution,
    )
    plan = planning.plan(evaluation, address, platform, order)
    if isinstance(plan.code, AddCode):
        code = source.entries(connector, plan.code.main, plan.code.owner)
        python = evaluation.base.python.interpreter.executable
    else:
        code, python = distributions.entries(tools.store, plan.code), ""
    return ejecting.eject(plan, evaluation.base.image, python, code, tools.store.verified)


def _outcome(connector: Connector, ejected: Ejected, place: Path | None) -> Outcome:
    facts = {"folder": str(place) if place else None, "lost": list(ejected.lost), "files": sorted(ejected.files)}
    if ejected.lost:
        reason = f"a Dockerfile cannot express: {'; '.join(ejected.lost)}"
        return Outcome(subject=connector.name, status="failed", reason=reason, advice="add it by hand", facts=facts)
    advice = (
        f"docker build -t {connector.image_repository}:dev {shlex.quote(workbench.shown_path(place))}" if place else ""
    )
    summary = f"{workbench.shown_path(place)}: Dockerfile and {len(ejected.files)} other files" if place else ""
    return Outcome(subject=connector.name, status="ok", summary=summary, advice=advice, facts=facts)


def _show(settings: Settings, outcome: Outcome, printed: Ejected | None, *, alone: bool) -> None:
    """Prints the outcome; if the Dockerfile goes to stdout, everything else goes to stderr."""
    if settings.as_json:
        text = {"dockerfile": printed.dockerfile} if printed else {}
        console.document({**outcome.to_json("eject"), **text})
        return
    if printed:
        console.content(printed.dockerfile)
    if not printed or outcome.status == "failed":
        console.block(terminal.outcome(outcome, alone=alone), err=printed is not None)
