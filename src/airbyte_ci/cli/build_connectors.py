"""`connectors build`: images without a Dockerfile."""

import json
from collections.abc import Callable, Sequence

import click

from airbyte_ci.build import build as builds
from airbyte_ci.build import outputs, run
from airbyte_ci.build.build import Built, Workbench
from airbyte_ci.build.outputs import Destination
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli import workbench
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.store import Store
from airbyte_ci.outcomes import Outcome, exit_code
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.reports import terminal


@click.command("build")
@click.option("-t", "--tag", default="dev", show_default=True, help="The local tag.")
@click.option("--base-image", metavar="ADDRESS", help="Build on this base instead of the one in the metadata.")
@click.option(
    "--output",
    "outputs_",
    multiple=True,
    metavar="DEST",
    help="oci:DIR, archive:FILE, docker or registry[:PREFIX]; repeatable.",
)
@click.option("--no-verify", is_flag=True, help="Do not run `spec` in the built image.")
@with_selection
def build_connectors(
    settings: Settings,
    asked: Asked,
    tag: str,
    base_image: str | None,
    outputs_: tuple[str, ...],
    no_verify: bool,
) -> int:
    """Build images on the connectors' base images, verify them by running `spec`, and keep them in the store."""
    destinations = [Destination.parse(text) for text in outputs_]
    fleet = fleets.load_for_change(settings, asked, "build")
    store = workbench.open_store()
    registry = workbench.Registry(settings, fleet.configuration, store)
    progress = workbench.Progress(settings)
    environment = workbench.environment()
    index = PackageIndex.from_environment(environment, offline=settings.offline)
    passed = {name: environment[name] for name in fleet.configuration.hook_environment if name in environment}
    outcomes = []
    with workbench.threads() as pool:
        for connector in fleet.connectors:
            say = progress.teller(connector.name)
            bench = Workbench(store, index, registry.pull, pool, passed, say)
            try:
                built = builds.build(connector, bench, workbench.local_platform(), base_image)
                if not no_verify:
                    say("spec")
                    run.verify(store, built.image)
                places = _deliver(built, store, destinations, tag, registry, say)
                outcome = _outcome(connector, built, places, verified=not no_verify)
            except AirbyteCiError as error:
                outcome = Outcome(connector.name, "failed", reason=error.message, advice=error.advice or "")
            progress.clear()
            outcomes.append(outcome)
            click.echo(
                json.dumps(outcome.to_json(), ensure_ascii=False) if settings.as_json else terminal.outcome(outcome)
            )
    if not settings.as_json and len(outcomes) > 1:
        click.echo(terminal.count(outcomes, "built"))
    return exit_code(outcomes)


def _deliver(
    built: Built,
    store: Store,
    destinations: Sequence[Destination],
    tag: str,
    registry: workbench.Registry,
    say: Callable[[str], None],
) -> list[str]:
    """Names the image in the store and puts it where else it was asked for; the addresses."""
    name = f"{built.plan.repository}:{tag}"
    store.tag(name, built.image.manifest.descriptor)
    places = [name]
    for destination in destinations:
        say(f"output {destination}")
        places.append(
            outputs.deliver(destination, store, built.image, built.plan.repository, tag, built.plan.base, registry.push)
        )
    return places


def _outcome(connector: Connector, built: Built, places: list[str], *, verified: bool) -> Outcome:
    hooks = [record for record in (built.plan.pre_hook, built.plan.post_hook) if record.operations]
    ready = len(built.plan.packages) - built.new_packages
    told = [
        f"{built.seconds:.1f} s",
        f"{ready} packages ready, {built.new_packages} new" if built.new_packages else f"{ready} packages ready",
        f"hook: {sum(len(record.operations) for record in hooks)} operations" if hooks else "",
        "spec ok" if verified else "spec not run",
    ]
    platform: Platform = built.plan.platform
    details = [f"also at {', '.join(places[1:])}"] if len(places) > 1 else []
    if built.collisions:
        shared = ", ".join(f"/{path} ({owner})" for path, owner in list(built.collisions.items())[:3])
        details.append(f"! {len(built.collisions)} files are installed by several packages; kept of the last: {shared}")
    return Outcome(
        connector.name,
        "ok",
        f"{platform} {built.image.digest.short} {' · '.join(part for part in told if part)}",
        details=tuple(details),
        facts={
            "platform": str(platform),
            "digest": str(built.image.digest),
            "diffIds": [str(item) for item in built.image.config.diff_ids],
            "baseImage": str(built.plan.base),
            "seconds": round(built.seconds, 3),
            "cached": built.cached,
            "outputs": places,
        },
    )
