"""`connectors test`: builds connectors, tests them in their images, and checks the rules, as CI does (point 5)."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from airbyte_ci import interruption
from airbyte_ci.app import App, find_framework, find_platform, read_rules
from airbyte_ci.checks.rule import Checked
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.compatibility import compatible_test_options
from airbyte_ci.cli.connector_file import read_connector_file
from airbyte_ci.cli.connectors import check as checks
from airbyte_ci.cli.connectors import recording
from airbyte_ci.cli.connectors.result_files import ResultFiles, with_result_files
from airbyte_ci.cli.connectors.run import mount
from airbyte_ci.cli.executor import with_executor
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.options import (
    SelectionOptions,
    junit_option,
    with_distribution,
    with_framework,
    with_shard,
)
from airbyte_ci.cli.platforms import architecture_option, parse_platforms
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.report_file import write_report
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connector_tests import baseline as baselines
from airbyte_ci.connector_tests import secrets, steps, trial
from airbyte_ci.connector_tests.protocol import problem_of_catalog, problem_of_state
from airbyte_ci.connector_tests.steps import Ended, TrialResult
from airbyte_ci.connector_tests.trial import TrialOptions
from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.connectors.neighborhood import empty_place
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.git import history
from airbyte_ci.git.export import exists_at, export_folder
from airbyte_ci.images.order import Order
from airbyte_ci.outcomes import Outcome, Status
from airbyte_ci.reports import connector_tests as report
from airbyte_ci.reports import terminal
from airbyte_ci.sandbox.sandbox import Network

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("test")
@click.option("-k", "--only-step", "only", multiple=True, metavar="ID", help="Run only this step; repeatable.")
@click.option("-x", "--skip-step", "skip", multiple=True, metavar="ID", help="Skip this step; repeatable.")
@click.option("--code-tests-only", is_flag=True, help="Run only the steps build, unit and integration.")
@click.option("--fail-fast", is_flag=True, help="Start no further step after a failure.")
@architecture_option()
@click.option("--base-image", metavar="ADDRESS", help="Test on this base image instead of the one in metadata.yaml.")
@click.option(
    "--config",
    type=_FILE,
    metavar="FILE",
    help="Run check, discover and read with this configuration (default: secrets/config.json).",
)
@click.option(
    "--catalog",
    type=_FILE,
    metavar="FILE",
    help="Read this configured catalog (default: integration_tests/configured_catalog.json).",
)
@click.option("--state", type=_FILE, metavar="FILE", help="Start read from this state.")
@click.option("--mount", "mounts", multiple=True, metavar="DIR:DIR", help="Mount a folder of this machine; repeatable.")
@click.option(
    "--network",
    type=click.Choice(["private", "host", "none"]),
    default="private",
    show_default=True,
    help="Set the network of the steps, except unit and spec, which have none.",
)
@click.option(
    "--timeout",
    type=click.IntRange(min=1),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="Stop a step that takes longer.",
)
@click.option(
    "--baseline",
    metavar="REF",
    help="Run failed steps again at the merge base with this branch or commit. A step that failed there, too, is "
    "reported as not verified, and does not fail the test.",
)
@click.option("--offline", is_flag=True, help="Check the rules without asking registries or GitHub.")
@junit_option
@click.option("--watch", is_flag=True, help="Keep running, and test again what a saved file changes.")
@with_result_files
@compatible_test_options
@with_distribution
@with_framework
@with_shard
@with_executor
def test_connectors(
    settings: Settings,
    asked: SelectionOptions,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    *,
    code_tests_only: bool,
    fail_fast: bool,
    platforms: tuple[str, ...],
    base_image: str | None,
    config: Path | None,
    catalog: Path | None,
    state: Path | None,
    mounts: tuple[str, ...],
    network: Network,
    timeout: int,
    baseline: str | None,
    offline: bool,
    junit: Path | None,
    watch: bool,
    files: ResultFiles,
    distribution: Path | None,
    local_cdk: Path | None,
    cdk_reference: str | None,
) -> int:
    """Build connectors, run their tests and protocol commands in their images, and check the rules.

    Steps: build, unit, integration, spec, check, discover, read, rules. Steps that need a configuration read it from
    --config, secrets/config.json or a variable listed in the configuration key test-secrets. Without one, they are
    skipped.
    """
    once = {"--junit": junit, "--html": files.html, "--markdown": files.markdown, "--baseline": baseline}
    if watch and any(once.values()):
        no = [option for option, value in once.items() if value]
        raise UsageError(f"--watch tests what changes, and cannot be used with {', '.join(no)}")
    wanted = steps.wanted((*only, *(steps.CODE_TESTS if code_tests_only else ())), skip)
    fleet = fleets.load_for_change(settings, asked, "test")
    fleets.refuse_distribution(fleet, distribution)
    if len(fleet.connectors) != 1 and (config or catalog or state):
        raise UsageError("--config, --catalog and --state are for one connector", advice="select one with --name")
    configuration = secrets.configuration_in(config) if config else None
    order = Order(
        platforms=parse_platforms(platforms),
        native=find_platform(),
        override=base_image,
        distribution=distribution,
        rules=read_rules(fleet.configuration),
        framework=find_framework(local_cdk, cdk_reference),
    )
    request = TrialOptions(
        wanted=wanted,
        secrets=secrets.Secrets(configuration=None),
        fail_fast=fail_fast,
        network=network,
        catalog=read_connector_file(catalog, problem_of_catalog),
        state=read_connector_file(state, problem_of_state),
        mounts=tuple(mount(text) for text in mounts),
        timeout=timeout,
        is_ending=interruption.is_stopping,
    )
    if watch:
        return _watch(settings, asked, fleet, order, replace(request, wanted=wanted - {"rules"}), configuration)
    items: list[TrialResult] = []
    partial: list[TrialResult] = []
    request = replace(request, interrupted=partial.append)
    with workbench.open_app(settings, fleet.configuration, len(fleet.connectors)) as (app, progress):
        testing = _Testing(
            app,
            replace(order, passed=app.passed),
            request=request,
            given=configuration,
            progress=progress,
            commit=history.fork_point(fleet.configuration.root, baseline) if baseline else None,
        )
        with checks.checking(replace(settings, offline=offline or settings.offline), fleet, asked) as checked:
            try:
                for connector, tested in workbench.side_by_side(fleet.connectors, testing.test, asked.concurrency):
                    if "rules" in wanted:
                        tested = replace(
                            tested, steps=(*tested.steps, _rules(connector, tested, checked, fail_fast=fail_fast))
                        )
                    items.append(tested)
                    with progress.paused():
                        _show(settings, asked, tested, alone=len(fleet.connectors) == 1)
            except KeyboardInterrupt:
                with progress.paused():
                    items += _interrupted(settings, asked, fleet, items, partial)
                _write(items, asked, junit, files)
                raise
    _write(items, asked, junit, files)
    if not settings.as_json and len(items) > 1:
        console.line(report.count(items))
        console.block(report.next_steps(items, whole=asked.whole(len(fleet.connectors))))
    return int(any(item.status == "failed" for item in items))


def _watch(
    settings: Settings,
    asked: SelectionOptions,
    fleet: Fleet,
    order: Order,
    request: TrialOptions,
    given: bytes | None,
) -> int:
    """Tests until it is interrupted, with everything kept open. The rules read git's history, and are left out."""
    from airbyte_ci.cli.connectors import watch

    # The steps of each connector's first test are shown.
    tested: dict[str, TrialResult] = {}

    def work(fleet: Fleet, app: App, progress: Progress) -> watch.Work:
        ruled = replace(order, rules=read_rules(fleet.configuration), passed=app.passed)
        testing = _Testing(app, ruled, request=request, given=given, progress=progress, commit=None)

        def test(connector: Connector) -> list[Outcome]:
            tested[connector.name] = testing.test(connector)
            return [report.as_outcome(tested[connector.name])]

        return test

    def show(outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if result := tested.get(outcome.subject):
                _show(settings, asked, result, alone=len(fleet.connectors) == 1)
            else:  # no step could begin
                console.block(terminal.outcome(outcome))

    watching = watch.Watching(
        command="test",
        settings=settings,
        width=asked.concurrency,
        ignored=(),
        load=lambda: fleets.load_for_change(settings, asked, "test"),
        open_app=lambda fleet: workbench.open_app(settings, fleet.configuration),
        work=work,
        show=show,
    )
    return watch.run(watching, fleet)


def _write(items: list[TrialResult], asked: SelectionOptions, junit: Path | None, files: ResultFiles) -> None:
    if junit:
        write_report(junit, report.document(items, asked.facts.get("shard", "")), make_folders=True)
    files.write([report.to_json(item) for item in items], asked)


def _interrupted(
    settings: Settings, asked: SelectionOptions, fleet: Fleet, done: list[TrialResult], partial: list[TrialResult]
) -> list[TrialResult]:
    """Shows and returns the results of unfinished tests: the completed steps of each, or that it did not start."""
    known = {item.name for item in done}
    begun = {item.name: item for item in partial}
    rest = [
        begun.get(item.name) or TrialResult(item.name, item.relative, (steps.skipped("build", steps.INTERRUPTED),))
        for item in fleet.connectors
        if item.name not in known
    ]
    for item in rest:
        if item.name in begun or settings.as_json:
            _show(settings, asked, item, alone=False)
    names = [item.name for item in rest]
    console.line(terminal.unfinished(names, len(fleet.connectors), "tested"), err=True)
    return rest


def _show(settings: Settings, asked: SelectionOptions, tested: TrialResult, *, alone: bool) -> None:
    if settings.as_json:
        console.document(report.to_json(tested) | asked.facts)
    elif not settings.quiet or tested.status == "failed":
        console.block(report.lines(tested, alone=alone))


def _rules(
    connector: Connector, tested: TrialResult, checked: Callable[[Connector], Checked], *, fail_fast: bool
) -> Ended:
    """Runs `connectors check` as the last step, which also reads the results of this test."""
    if fail_fast and tested.status == "failed":
        return steps.skipped("rules", "another step failed before it (--fail-fast)")
    found = checked(connector)
    advice = f"airbyte-ci connectors --name={connector.name} check"
    errors = [finding for finding in found.findings if finding.is_error]
    reasons = [f"{finding.rule.id}: {finding.verdict.reason}" for finding in errors]
    if reasons:
        return steps.failed("rules", reasons[0], advice, tuple(reasons[1:]))
    warnings = sum(finding.is_warning for finding in found.findings)
    unknown = sum(finding.is_unverified for finding in found.findings)
    counted = ((warnings, f"{warnings} warning{'s' * (warnings > 1)}"), (unknown, f"{unknown} not verified"))
    return steps.ok("rules", ", ".join(["no errors", *(text for number, text in counted if number)]))


def _copy_secrets(source: Path, target: Path) -> None:
    """Gives the connector of a commit the secrets of the working tree, which git does not have."""
    if (source / secrets.FOLDER).is_dir() and not (target / secrets.FOLDER).exists():
        shutil.copytree(source / secrets.FOLDER, target / secrets.FOLDER, symlinks=True)


class _Testing:
    """Tests connectors, several at a time; shared parts are built once."""

    def __init__(
        self,
        app: App,
        order: Order,
        request: TrialOptions,
        given: bytes | None,
        progress: Progress,
        commit: str | None,
    ) -> None:
        self._app = app
        self._commit = commit
        self._order = order
        self._request = request
        self._given = given
        self._progress = progress

    def test(self, connector: Connector) -> TrialResult:
        before = recording.state(connector)
        try:
            tested = self._test(connector, self._request)
            # What is recorded is what happened, whatever failed before.
            self._keep(connector, before, tested)
            return self._compared(connector, tested) if self._commit else tested
        finally:
            self._progress.clear(connector.name)

    def _compared(self, connector: Connector, tested: TrialResult) -> TrialResult:
        """Returns the result compared with that of the connector at the baseline, if it was there."""
        assert self._commit is not None
        wanted = baselines.steps_to_compare(tested)
        root = self._app.configuration.root
        if not wanted or not exists_at(root, self._commit, connector.relative):
            return tested
        with empty_place(root, connector.relative) as (copy, folder):
            export_folder(root, self._commit, connector.relative, folder)
            try:
                old = find.read(folder, copy)
            except AirbyteCiError:
                return tested  # it was no connector yet
            _copy_secrets(connector.folder, folder)
            before = self._test(old, replace(self._request, wanted=wanted | {"build"}, interrupted=lambda _: None))
        return baselines.excuse(tested, before, self._commit)

    def _test(self, connector: Connector, request: TrialOptions) -> TrialResult:
        app = self._app
        found = secrets.load(connector, self._given, app.configuration.test_secrets, app.environment)
        request = replace(request, secrets=found)
        return trial.run(connector, self._order, app.tools(connector.name), request, workbench.side_by_side)

    def _keep(self, connector: Connector, before: str, tested: TrialResult) -> None:
        """Records the results for point 5; a test is recorded only if all steps were requested."""
        if not recording.is_of_the_files(self._order):
            return
        by_id = {step.id: step for step in tested.steps}
        if build := by_id.get("build"):
            status: Status = "failed" if build.status == "failed" else build.answer or "unverified"
            summary = build.summary if status == "ok" else build.reason
            recording.keep(self._app.store, connector, before, "built", status, summary)
        if {*steps.IDS[:-1]} <= self._request.wanted:
            recording.keep(self._app.store, connector, before, "tested", *steps.whole(tested.steps))
