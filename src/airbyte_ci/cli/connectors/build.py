"""`connectors build`: builds images without a Dockerfile."""

import datetime
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from airbyte_ci.app import App, find_framework, find_platform, read_rules, today
from airbyte_ci.base_images.catalog import noted
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.compatibility import compatible_build_options
from airbyte_ci.cli.connectors import recording
from airbyte_ci.cli.connectors.result_files import ResultFiles, with_result_files
from airbyte_ci.cli.executor import with_executor
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.options import (
    SelectionOptions,
    with_distribution,
    with_framework,
    with_shard,
)
from airbyte_ci.cli.platforms import architecture_option, parse_platforms
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import JAVA, Connector
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.images import job, naming
from airbyte_ci.images.order import DEFAULT_TAG, Order
from airbyte_ci.images.outputs import ImageDestination
from airbyte_ci.oci.image import CREATED, Compression
from airbyte_ci.outcomes import Outcome, exit_code, failure
from airbyte_ci.reports import terminal

if TYPE_CHECKING:  # slow to import, and few builds print or read a plan
    from airbyte_ci.images.plan import BuildPlan

# The creation time of an image is in RFC 3339, which ends with the year 9999.
_LAST_SECOND = 253_402_300_799


@click.command("build")
@architecture_option()
@click.option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    default=(DEFAULT_TAG,),
    metavar="TAG",
    help="Tag the image (default: dev); repeatable. {version}, {name} and {commit} are replaced by their values.",
)
@click.option("--base-image", metavar="ADDRESS", help="Build on this base image instead of the one in metadata.yaml.")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="DEST",
    help="Also write the image to oci:DIR, archive:FILE, docker or registry[:PREFIX]; repeatable. DEST may "
    "contain {name}, {version} and {commit}.",
)
@click.option("--force", is_flag=True, help="Overwrite a version's tag in a registry even if it names another image.")
@click.option("--allow-yanked", is_flag=True, help="Push to a registry even if the base image was yanked.")
@click.option("--no-verify", is_flag=True, help="Do not run `spec` in the built image.")
@click.option(
    "--compression",
    type=click.Choice(["gzip", "zstd"]),
    help="Compress the layers that airbyte-ci adds (default: gzip).",
)
@click.option("--no-bytecode", is_flag=True, help="Leave out bytecode; Python then compiles the modules at each start.")
@click.option(
    "--source-date-epoch",
    type=click.IntRange(min=0, max=_LAST_SECOND),
    envvar="SOURCE_DATE_EPOCH",
    metavar="SECONDS",
    help="Set the creation time of the image (default: SOURCE_DATE_EPOCH, else 1).",
)
@click.option("--print-plan", is_flag=True, help="Print the build plan, which determines the image, and stop.")
@click.option(
    "--from-plan",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Build exactly the image that this plan describes.",
)
@click.option(
    "--resolve-as-of", metavar="DAY", help="Resolve connectors without a lock file as of this date, such as 2024-04-01."
)
@click.option("--check-reproducible", is_flag=True, help="Build again from scratch and compare the two images.")
@click.option("--watch", is_flag=True, help="Keep running, and build again what a saved file changes.")
@with_distribution
@click.option("--gradle", "runs_gradle", is_flag=True, help="Run Gradle's task distTar for Java connectors first.")
@click.option("--show-hook", is_flag=True, help="Show what build_customization.yaml or .py changed in the image.")
@compatible_build_options
@with_framework
@with_result_files
@with_shard
@with_executor
def build_connectors(
    settings: Settings,
    asked: SelectionOptions,
    platforms: tuple[str, ...],
    tags: tuple[str, ...],
    base_image: str | None,
    outputs: tuple[str, ...],
    *,
    force: bool,
    allow_yanked: bool,
    no_verify: bool,
    compression: Compression | None,
    no_bytecode: bool,
    source_date_epoch: int | None,
    print_plan: bool,
    from_plan: Path | None,
    check_reproducible: bool,
    watch: bool,
    distribution: Path | None,
    runs_gradle: bool,
    show_hook: bool,
    resolve_as_of: str | None,
    local_cdk: Path | None,
    cdk_reference: str | None,
    files: ResultFiles,
) -> int:
    """Build images on the connectors' base images, verify them by running `spec`, and save them in the store."""
    native = find_platform()
    wanted = parse_platforms(platforms)
    order = Order(
        platforms=wanted,
        native=native,
        override=base_image,
        tags=tags,
        destinations=tuple(ImageDestination.parse(text) for text in outputs),
        verify=not no_verify,
        compression=compression or "gzip",
        bytecode=not no_bytecode,
        created=_created(source_date_epoch),
        again=check_reproducible,
        show_hook=show_hook,
        distribution=distribution,
    )
    if distribution and runs_gradle:
        raise UsageError("--dist-tar names a distribution, and --gradle builds one", advice="leave one of them out")
    once = {
        "--print-plan": print_plan,
        "--from-plan": from_plan,
        "--check-reproducible": check_reproducible,
        "--gradle": runs_gradle,
        "--html": files.html,
        "--markdown": files.markdown,
    }
    if watch and any(once.values()):
        no = [option for option, value in once.items() if value]
        raise UsageError(f"--watch builds what changes, and cannot be used with {', '.join(no)}")
    if from_plan:
        said = {
            "-a": platforms,
            "--base-image": base_image,
            "--compression": compression,
            "--no-bytecode": no_bytecode,
            "--resolve-as-of": resolve_as_of,
            "--use-local-cdk": local_cdk,
            "--use-cdk-ref": cdk_reference,
            "--print-plan": print_plan,
            "--gradle": runs_gradle,
        }
        asked, order = _apply_plan(from_plan, asked, order, [option for option, value in said.items() if value])
    fleet = fleets.load_for_change(settings, asked, "build")
    fleets.refuse_distribution(fleet, distribution)
    if runs_gradle and all(connector.language != JAVA for connector in fleet.connectors):
        raise UsageError("--gradle is for Java connectors, and none is selected")
    framework = find_framework(local_cdk, cdk_reference)

    def order_of(fleet: Fleet) -> Order:
        ruled = replace(order, rules=read_rules(fleet.configuration, resolve_as_of), framework=framework)
        naming.refuse_impossible(fleet.connectors, ruled)
        return ruled

    wished = order_of(fleet)
    if print_plan and (len(fleet.connectors) != 1 or len(wanted) != 1):
        raise UsageError(
            "--print-plan takes one connector and one platform",
            advice="name one connector with --name, and one --architecture",
        )
    if watch:
        return _watch(settings, asked, fleet, order, order_of, allow_yanked=allow_yanked, force=force)
    with workbench.open_app(settings, fleet.configuration, len(fleet.connectors)) as (app, progress):
        wished = replace(wished, passed=app.passed)
        making = _Making(
            app,
            fleet,
            order=wished,
            progress=progress,
            allow_yanked=allow_yanked,
            force=force,
            runs_gradle=runs_gradle,
        )
        if print_plan:
            text = making.plan(fleet.connectors[0]).to_json()
            with progress.paused():
                console.document(text, indent=2, sort_keys=True)
            return 0
        outcomes: list[Outcome] = []
        try:
            for _, ended in workbench.side_by_side(fleet.connectors, making.build, asked.concurrency):
                with progress.paused():
                    _show(settings, asked, ended, show_hook=show_hook, alone=len(fleet.connectors) == 1)
                outcomes += ended
        except KeyboardInterrupt:
            with progress.paused():
                recording.tell_unfinished(settings, fleet.connectors, outcomes, "build", "built")
            files.write([outcome.to_json("build") for outcome in outcomes], asked)
            raise
    files.write([outcome.to_json("build") for outcome in outcomes], asked)
    if not settings.quiet and any(not outcome.facts.get("unchanged") for outcome in outcomes):
        workbench.hint_size(app.store)
    if not settings.as_json:
        console.block(terminal.ending(outcomes, "built", whole=asked.whole(len(fleet.connectors))))
    return exit_code(outcomes)


def _watch(
    settings: Settings,
    asked: SelectionOptions,
    fleet: Fleet,
    order: Order,
    order_of: Callable[[Fleet], Order],
    *,
    allow_yanked: bool,
    force: bool,
) -> int:
    """Builds until it is interrupted, with everything kept open; `order_of` adds a repository's rules to the order."""
    from airbyte_ci.cli.connectors import watch

    def work(fleet: Fleet, app: App, progress: Progress) -> watch.Work:
        ruled = replace(order_of(fleet), passed=app.passed)
        return _Making(app, fleet, order=ruled, progress=progress, allow_yanked=allow_yanked, force=force).build

    def show(outcomes: list[Outcome]) -> None:
        _show(settings, asked, outcomes, show_hook=order.show_hook, alone=len(fleet.connectors) == 1)

    # An image that is written into a connector's folder is no reason to build it again.
    places = [item.place for item in order.destinations if item.kind in ("oci", "archive")]
    watching = watch.Watching(
        command="build",
        settings=settings,
        width=asked.concurrency,
        ignored=tuple(
            Path(naming.fill(place, connector)).absolute() for place in places for connector in fleet.connectors
        ),
        load=lambda: fleets.load_for_change(settings, asked, "build"),
        open_app=lambda fleet: workbench.open_app(settings, fleet.configuration),
        work=work,
        show=show,
    )
    return watch.run(watching, fleet)


def _show(
    settings: Settings, asked: SelectionOptions, outcomes: list[Outcome], *, show_hook: bool, alone: bool
) -> None:
    for outcome in outcomes:
        if settings.as_json:
            console.document(outcome.to_json("build") | asked.facts)
            continue
        console.block(terminal.outcome(outcome, alone=alone))
        if show_hook and outcome.status != "failed":
            from airbyte_ci.reports import customization

            console.block(customization.lines(outcome.facts.get("customization")))


def _created(seconds: int | None) -> str:
    if seconds is None:
        return CREATED
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _apply_plan(path: Path, asked: SelectionOptions, order: Order, given: list[str]) -> tuple[SelectionOptions, Order]:
    """Returns the selection and the order that a plan determines: everything except the outputs.

    `given` lists options on the command line that contradict the plan.
    """
    from airbyte_ci.images.plan import BuildPlan

    if given:
        raise UsageError(
            "--from-plan excludes options that the plan determines", advice=f"leave out {', '.join(given)}"
        )
    plan = BuildPlan.parse(path.read_bytes(), str(path))
    if asked.selection.names and plan.name not in asked.selection.names:
        raise UsageError(f"{path} is the plan of {plan.name}", advice="leave out --name")
    selection = replace(asked.selection, names=(plan.name,))
    shaped = replace(
        order,
        bytecode=plan.install.bytecode if plan.install else order.bytecode,
        compression=plan.compression,
        created=plan.created,
    )
    return replace(asked, selection=selection), replace(shaped, platforms=(plan.platform,), plan=plan)


class _Making:
    """Builds connectors, several at a time; shared parts are built once."""

    def __init__(
        self,
        app: App,
        fleet: Fleet,
        order: Order,
        progress: Progress,
        *,
        allow_yanked: bool,
        force: bool,
        runs_gradle: bool = False,
    ) -> None:
        self._runs_gradle = runs_gradle
        self._gradle_lock = threading.Lock()
        self._app = app
        self._fleet = fleet
        self._order = order
        self._progress = progress
        self._force = force
        self._twins = naming.twins(fleet.connectors)
        self._pushes = any(item.is_registry for item in order.destinations) and not allow_yanked

    def build(self, connector: Connector) -> list[Outcome]:
        if refused := self._refusal(connector):
            return [refused]
        before = recording.state(connector) if recording.is_of_the_files(self._order) else ""
        outcomes = self._build(connector)
        recording.keep_build(self._app.store, connector, before=before, order=self._order, outcomes=outcomes)
        return outcomes

    def _build(self, connector: Connector) -> list[Outcome]:
        try:
            order = naming.order_for(connector, self._order, force=self._force)
            self._run_gradle(connector)
            outcomes = job.run(connector, order, self._app.tools(connector.name))
            return [self._with_warning(item) for item in outcomes]
        except AirbyteCiError as error:
            return [failure(connector.name, error, self._other_python(connector))]
        finally:
            self._progress.clear(connector.name)

    def _run_gradle(self, connector: Connector) -> None:
        """Runs Gradle on request, for one connector at a time, because they share the repository's build."""
        if self._runs_gradle and connector.language == JAVA:
            from airbyte_ci.images import gradle  # starts processes, which few builds need

            with self._gradle_lock, self._progress.paused():
                gradle.build_distribution(connector, self._app.environment)

    def _other_python(self, connector: Connector) -> tuple[str, ...]:
        """Returns a likely reason why a build on another base image failed: another Python than the metadata's."""
        from airbyte_ci.base_images.catalog import catalog  # slow to import, and only failures need it

        known = catalog.load(self._fleet.configuration.catalog_path)
        here, usual = (known.find(address or "") for address in (self._order.override, connector.base_image))
        pythons = [".".join(item.python.split(".")[:2]) for item in (here, usual) if item and item.python]
        if len(pythons) < 2 or pythons[0] == pythons[1]:
            return ()
        return (f"! it was built on Python {pythons[0]}; the base image in metadata.yaml has Python {pythons[1]}",)

    def _refusal(self, connector: Connector) -> Outcome | None:
        """Returns a failure if two connectors share an image name, or if the push would use a yanked base image."""
        if other := self._twins.get(connector.name):
            return failure(connector.name, naming.twin_error(connector, other, "build"))
        planned = str(self._order.plan.base) if self._order.plan else None
        address = planned or self._order.override or connector.base_image
        known = self._noted(address) if address and self._pushes else None
        if known is None or not known.yanked:
            return None
        reason = f"cannot push {connector.name}: {known.text}"
        advice = f"airbyte-ci connectors --name={connector.name} upgrade_base_image"
        return Outcome(
            subject=connector.name,
            status="failed",
            summary="",
            reason=reason,
            advice=advice,
            details=("--allow-yanked pushes it anyway",),
        )

    def _noted(self, address: str) -> noted.Noted:
        return noted.standing_of(self._app.store, self._fleet.configuration.catalog_path, address, today())

    def _with_warning(self, outcome: Outcome) -> Outcome:
        """Adds a warning for a yanked or expired base image; old commits must stay buildable."""
        address = str(outcome.facts.get("baseImage", ""))
        text = self._noted(address).text if address else ""
        if not text:
            return outcome
        return replace(outcome, details=(*outcome.details, f"! {text}"), facts={**outcome.facts, "warning": text})

    def plan(self, connector: Connector) -> "BuildPlan":
        self._run_gradle(connector)
        return job.plan(connector, self._order, self._app.tools(connector.name), self._order.platforms[0])
