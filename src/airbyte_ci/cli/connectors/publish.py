"""`connectors publish`: pushes releases with proof of what is in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from airbyte_ci.app import App, find_platform, read_environment, read_rules, today
from airbyte_ci.attest import test_result
from airbyte_ci.attest.subject import SourceState
from airbyte_ci.base_images.catalog import noted
from airbyte_ci.checks.rule import Checked
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.connectors import check as checks
from airbyte_ci.cli.connectors import recording
from airbyte_ci.cli.connectors.result_files import ResultFiles, with_result_files
from airbyte_ci.cli.executor import with_executor
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.options import SelectionOptions, junit_option, with_shard
from airbyte_ci.cli.platforms import architecture_option, parse_platform
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.report_file import write_report
from airbyte_ci.cli.settings import Settings
from airbyte_ci.cli.signing_options import read_signing, with_signing
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, ImageError, UsageError
from airbyte_ci.images import job, naming
from airbyte_ci.images.job import Done
from airbyte_ci.images.order import Order
from airbyte_ci.oci.reference import Reference
from airbyte_ci.outcomes import Outcome, exit_code, failure
from airbyte_ci.publish import publisher, refusals
from airbyte_ci.publish.options import PublishOptions
from airbyte_ci.publish.package_index_upload import PUBLIC, TOKEN, UploadTarget
from airbyte_ci.publish.tags import PreReleaseForm
from airbyte_ci.reports import publish as report
from airbyte_ci.reports import terminal

_FORMS: dict[str, PreReleaseForm] = {"dev": "dev", "preview": "preview"}


@click.command("publish")
@click.option(
    "--main-release/--pre-release",
    "is_main",
    default=False,
    help="Publish the version in metadata.yaml and `latest`, or a pre-release of the commit (default).",
)
@click.option(
    "--registry",
    metavar="PREFIX",
    help="Push to this registry, such as ghcr.io/acme (default: `registry` in the configuration, else docker.io).",
)
@architecture_option(
    "Publish a pre-release only for this platform (default: all of the base image); repeatable.",
    "--platform",
)
@click.option("--dry-run", is_flag=True, help="Build, and report what would be pushed; push nothing.")
@click.option("--skip-unchanged", is_flag=True, help="Publish nothing if the image is the same as the last published.")
@click.option("--allow-dirty", is_flag=True, help="Publish uncommitted changes, and record their names.")
@click.option("--ignore-block", metavar="REASON", default="", help="Publish despite a block-release.yaml; record why.")
@click.option("--no-attachments", is_flag=True, help="Push only the images, for registries without referrers.")
@with_signing
@click.option(
    "--test-results",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Attach the results in this file, the output of `connectors test --json`, to the images that were tested.",
)
@click.option(
    "--artifacts",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also write the files of a connector registry: spec, metadata, docs, icon, SBOM and digests.",
)
@click.option(
    "--pypi",
    is_flag=True,
    help="Also publish the Python packages of connectors that enable remoteRegistries.pypi, as a wheel and an sdist.",
)
@click.option(
    "--pypi-url",
    metavar="URL",
    default=PUBLIC,
    show_default=True,
    help=f"Upload packages to this index; the login is in {TOKEN}, or TWINE_USERNAME and TWINE_PASSWORD.",
)
@junit_option
@with_result_files
@with_shard
@with_executor
def publish_connectors(
    settings: Settings,
    asked: SelectionOptions,
    *,
    is_main: bool,
    registry: str | None,
    platforms: tuple[str, ...],
    dry_run: bool,
    skip_unchanged: bool,
    allow_dirty: bool,
    ignore_block: str,
    no_attachments: bool,
    sign_key: str | None,
    test_results: Path | None,
    legacy_signatures: bool,
    artifacts: Path | None,
    pypi: bool,
    pypi_url: str,
    junit: Path | None,
    files: ResultFiles,
) -> int:
    """Build connectors for all platforms and publish them with documents about their contents.

    Each release is one index under one tag: `{version}-dev.{commit}` for a pre-release, `{version}` for a main release,
    which also moves `latest` unless it is a release candidate. The tag is set last, and never moved: a publication that
    is interrupted leaves nothing half-published, and the next run completes it.

    The command refuses errors of `check`, uncommitted changes, a version that is published with other content or is
    below the newest one, a yanked or expired base image, a block-release.yaml, and a release candidate of a major
    version without a progressive rollout.
    """
    if is_main and platforms:
        raise UsageError(
            "--platform narrows pre-releases only: a main release has all platforms of its base image",
            advice="leave out --platform, or --main-release",
        )
    if settings.offline:
        raise UsageError("--offline excludes publishing, which needs a registry")
    if no_attachments and sign_key:
        raise UsageError("--no-attachments excludes --sign-key: signatures are attachments")
    signing = read_signing(sign_key, read_environment(), is_legacy=legacy_signatures)
    fleet = fleets.load_for_change(settings, asked, "publish")
    configuration = fleet.configuration
    options = PublishOptions(
        is_main=is_main,
        prefix=_prefix(registry, configuration),
        form=_FORMS[configuration.pre_release_form],
        platforms=tuple(dict.fromkeys(parse_platform(text, "--platform") for text in platforms)),
        is_dry=dry_run,
        allows_dirty=allow_dirty,
        ignored_block=ignore_block.strip(),
        skips_unchanged=skip_unchanged,
        attaches=not no_attachments,
        signing=signing,
        writers=(test_result.read(test_results).write,) if test_results else (),
        artifacts=artifacts.absolute() if artifacts else None,
        index=UploadTarget.of(pypi_url, read_environment()) if pypi else None,
    )
    native = find_platform()
    order = Order(platforms=(native,), native=native, rules=read_rules(configuration))
    outcomes: list[Outcome] = []
    with workbench.open_app(settings, configuration, len(fleet.connectors)) as (app, progress):
        publishing = _Publishing(app, fleet, options, replace(order, passed=app.passed), progress)

        def show(outcome: Outcome) -> None:
            outcomes.append(outcome)
            with progress.paused():
                _show(settings, asked, outcome, alone=len(fleet.connectors) == 1)

        with checks.checking(settings, fleet, asked) as checked:
            ready = [item for item in fleet.connectors if publishing.is_ready(item, checked, show)]
        try:
            for _, outcome in workbench.side_by_side(ready, publishing.publish, asked.concurrency):
                show(outcome)
        except KeyboardInterrupt:
            with progress.paused():
                recording.tell_unfinished(settings, fleet.connectors, outcomes, "publish", "published")
            raise
    if junit:
        write_report(junit, report.document(outcomes, asked.facts.get("shard", "")), make_folders=True)
    files.write([outcome.to_json("publish") for outcome in outcomes], asked)
    if not settings.as_json:
        console.block(terminal.ending(outcomes, "published", whole=asked.whole(len(fleet.connectors))))
    return exit_code(outcomes)


def _prefix(registry: str | None, configuration: Configuration) -> str:
    """Returns the registry with its path; raises UsageError if it is no valid start of an address."""
    prefix = configuration.registry if registry is None else registry
    try:
        Reference.parse(f"{prefix.rstrip('/')}/name" if prefix else "name")
    except ImageError as error:
        named = "--registry" if registry is not None else f"registry in {configuration.file}"
        raise UsageError(
            f"{named} {prefix!r} is not a registry", advice="write it as HOST or HOST/PATH, for example ghcr.io/acme"
        ) from error
    return prefix


def _show(settings: Settings, asked: SelectionOptions, outcome: Outcome, *, alone: bool) -> None:
    if settings.as_json:
        console.document({**outcome.to_json("publish"), **asked.facts})
    elif not settings.quiet or outcome.status == "failed":
        console.block(terminal.outcome(outcome, alone=alone))


class _Publishing:
    """Publishes connectors, several at a time; layers that they share are pushed once."""

    def __init__(self, app: App, fleet: Fleet, options: PublishOptions, order: Order, progress: Progress) -> None:
        self._app = app
        self._fleet = fleet
        self._options = options
        self._order = order
        self._progress = progress
        self._twins = naming.twins(fleet.connectors)
        self._early: dict[str, tuple[SourceState, str]] = {}

    def is_ready(
        self, connector: Connector, checked: Callable[[Connector], Checked], show: Callable[[Outcome], None]
    ) -> bool:
        """Whether nothing in the connector's files and checks forbids to publish it; shows why otherwise."""
        try:
            if other := self._twins.get(connector.name):
                raise naming.twin_error(connector, other, "publish")
            text = self._warning(connector)
            self._early[connector.name] = publisher.read_early(connector, self._options, self._app.configuration, text)
            # Whether it is built is found out below.
            found = [item for item in checked(connector).findings if item.is_error and item.rule.id != "built"]
            refusals.refuse_checks(connector, [f"{item.rule.id}: {item.verdict.reason}" for item in found])
        except AirbyteCiError as error:
            show(failure(connector.name, error))
            return False
        return True

    def _warning(self, connector: Connector) -> str:
        address = connector.base_image
        catalog = self._app.configuration.catalog_path
        return noted.standing_of(self._app.store, catalog, address, today()).text if address else ""

    def publish(self, connector: Connector) -> Outcome:
        before = recording.state(connector)
        try:
            tools = self._app.tools(connector.name)
            state, blocked = self._early[connector.name]
            platforms = publisher.find_platforms(connector, self._options, tools, self._order.native)
            order = replace(self._order, platforms=platforms)

            def keep(done: Sequence[Done]) -> None:
                built = [job.outcome(connector, item) for item in done]
                recording.keep_build(self._app.store, connector, before=before, order=order, outcomes=built)

            done = publisher.publish(
                connector,
                self._options,
                order,
                self._app.configuration,
                state,
                tools,
                blocked=blocked,
                keep=keep,
            )
        except AirbyteCiError as error:
            return failure(connector.name, error)
        finally:
            self._progress.clear(connector.name)
        record = done.to_json()
        return Outcome(
            subject=connector.name,
            status="skipped" if done.unchanged else "ok",
            summary=report.summary(record, is_dry=self._options.is_dry),
            details=(
                *report.details(record),
                *self._commands(record),
                *([f"! spec not run: {done.unverified}"] if done.unverified else []),
            ),
            facts={**record, **({"dryRun": True} if self._options.is_dry else {})},
        )

    def _commands(self, record: Mapping[str, Any]) -> list[str]:
        """Returns the commands with which anyone can check a signed release; for several, the docs have them."""
        is_shown = self._options.signing.sign and not self._options.is_dry and len(self._fleet.connectors) == 1
        return report.commands(record) if is_shown else []
