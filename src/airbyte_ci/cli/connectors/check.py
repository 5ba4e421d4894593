"""`connectors check`: checks the guide's definition of a finished migration and related rules, as CI does."""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import click
from packaging.specifiers import SpecifierSet

from airbyte_ci import app, text
from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.checks import all_checks, base_image_exists, branch, merge_base, pages, unreadable, weights
from airbyte_ci.checks.base_image_exists import Exists
from airbyte_ci.checks.hook_owned import Ownership
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.reviews import Reviews
from airbyte_ci.checks.rule import Check, Checked
from airbyte_ci.checks.weights import Weights
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.connectors.result_files import ResultFiles, with_result_files
from airbyte_ci.cli.executor import with_executor
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.options import SelectionOptions, junit_option, with_shard
from airbyte_ci.cli.report_file import write_report
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError
from airbyte_ci.git import codeowners, git, github, history
from airbyte_ci.reports import checks as report


@click.command("check")
@click.option(
    "--pull-request",
    "--pull-request-number",
    type=click.IntRange(min=1),
    envvar="PULL_REQUEST_NUMBER",
    metavar="N",
    help="Check the changelog entry and the approvals of this pull request (default: PULL_REQUEST_NUMBER).",
)
@click.option("--only", multiple=True, metavar="ID", help="Run only this check; repeatable.")
@click.option("--skip", multiple=True, metavar="ID", help="Skip this check; repeatable.")
@click.option(
    "--severity", multiple=True, metavar="ID=WEIGHT", help="Set a check to error, warning or off; repeatable."
)
@click.option("--strict", is_flag=True, help="Also fail if a check could not be verified.")
@click.option("--offline", is_flag=True, help="Do not ask registries or GitHub.")
@junit_option
@click.option(
    "--sarif", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a SARIF 2.1.0 report."
)
@click.option("--github-annotations", is_flag=True, help="Also print GitHub Actions annotations.")
@with_result_files
@with_shard
@with_executor
def check_connectors(
    settings: Settings,
    asked: SelectionOptions,
    pull_request: int | None,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    severity: tuple[str, ...],
    *,
    strict: bool,
    offline: bool,
    junit: Path | None,
    sarif: Path | None,
    github_annotations: bool,
    files: ResultFiles,
) -> int:
    """Check the six points of a migrated connector and related rules; each failure comes with a fix.

    Failures are errors for certified connectors and warnings for others, unless [checks] in the configuration overrides
    this. The exit code is 1 if there is an error or, with --strict, a check that could not be verified.
    """
    weights.require_known([*only, *skip], all_checks.IDS)
    fleet = _fleet(settings, asked)
    before = _before(fleet, asked)
    weighed = _weights(fleet, before, severity)
    prefix = _prefix(fleet.configuration.root)
    mending = _mending(fleet, pull_request)
    settings = replace(settings, offline=offline or settings.offline)
    with _checks(settings, fleet, asked=asked, before=before, mending=mending, prefix=prefix) as every:
        checks = [check for check in every if _is_wanted(check, only, skip, weighed)]
        items = [all_checks.apply(checks, connector, weighed) for connector in fleet.connectors]
    items += [] if asked.selection.names else [unreadable.checked(error, mending) for error in fleet.unreadable]
    whole = asked.whole(len(fleet.connectors))
    _tell(items, settings, asked, prefix, github_annotations=github_annotations, whole=whole)
    _write(items, fleet.configuration, asked, prefix, junit, sarif)
    files.write([report.to_json(item) for item in items], asked)
    return int(any(item.status == "failed" or (strict and item.status == "unverified") for item in items))


@contextmanager
def checking(settings: Settings, fleet: Fleet, asked: SelectionOptions) -> Iterator[Callable[[Connector], Checked]]:
    """Gives a function that applies every enabled check to a connector; its connections end with the block."""
    before = _before(fleet, asked)
    weighed = _weights(fleet, before, ())
    root = fleet.configuration.root
    with _checks(settings, fleet, asked=asked, before=before, mending=_mending(fleet), prefix=_prefix(root)) as every:
        checks = [check for check in every if _is_wanted(check, (), (), weighed)]
        yield lambda connector: all_checks.apply(checks, connector, weighed)


def _before(fleet: Fleet, asked: SelectionOptions) -> merge_base.MergeBaseRules | None:
    """Returns the rules at the merge base; None if there is no branch to compare with."""
    root = fleet.configuration.root
    commit = history.compared_with(root, asked.selection.diffed_branch)
    return None if commit is None else merge_base.rules(root, commit)


def _weights(fleet: Fleet, rules: merge_base.MergeBaseRules | None, severity: Sequence[str]) -> Weights:
    """Returns the severities. A branch cannot lower the severities of its merge base; a warning says so."""
    on_command_line = weights.asked(severity, all_checks.IDS)
    tables = [weights.configured(fleet.configuration.checks, all_checks.IDS)]
    if rules is None:
        return Weights(on_command_line, tables)
    before = weights.known_of(rules.weights, all_checks.IDS)
    if before != tables[0]:
        fleets.warn("[checks] differs from the merge base: the stricter severity of each check applies")
    root = fleet.configuration.root
    levels = merge_base.support_levels(
        root, rules.commit, fleet.connectors, lambda connector: weights.is_lighter(connector.support_level)
    )
    return Weights(on_command_line, [*tables, before], levels)


def _mending(fleet: Fleet, pull_request: int | None = None) -> Mending:
    configuration = fleet.configuration
    return Mending(configuration.root, Path.cwd(), pull_request, has_changelog=not configuration.changelog.is_never)


def _fleet(settings: Settings, asked: SelectionOptions) -> Fleet:
    """Loads the fleet. Unreadable connectors are reported, and reports written, even if nothing is selected."""
    fleet = fleets.load(settings, asked)
    try:
        fleets.require_selected(fleet, asked, "check")
    except click.exceptions.Exit:
        pass  # Nothing was modified, or the shard is empty.
    except UsageError:
        if fleet.connectors or not fleet.unreadable:
            raise
    return fleet


def _is_wanted(check: Check, only: Sequence[str], skip: Sequence[str], weighed: Weights) -> bool:
    """Returns whether to run a check; --only runs a check even if it is off."""
    name = check.rule.id
    return name not in skip and (name in only if only else not weighed.is_off(check.rule))


def _tell(
    items: Sequence[Checked],
    settings: Settings,
    asked: SelectionOptions,
    prefix: str,
    *,
    github_annotations: bool,
    whole: int,
) -> None:
    if settings.as_json:
        for item in items:
            console.document(report.to_json(item) | asked.facts)
    else:
        console.block(report.lines(items, quiet=settings.quiet, whole=whole))
    if github_annotations:
        from airbyte_ci.reports import annotations, results

        parsed = [found for item in items if (found := results.parse(report.to_json(item)))]
        # The runner reads both streams, so JSON on stdout can stay clean.
        console.commands(annotations.commands(parsed, prefix), err=settings.as_json)


def _write(
    items: Sequence[Checked],
    configuration: Configuration,
    asked: SelectionOptions,
    prefix: str,
    junit: Path | None,
    sarif: Path | None,
) -> None:
    shard = asked.facts.get("shard", "")
    if junit:
        from airbyte_ci.reports import junit as junit_report

        write_report(junit, junit_report.document(items, prefix, shard), make_folders=True)
    if sarif:
        from airbyte_ci.reports import sarif as sarif_report

        found = pages.urls(all_checks.RULES, configuration, prefix)
        document = sarif_report.document(items, all_checks.RULES, prefix, found, shard)
        write_report(sarif, text.dump_json(document, indent=2) + "\n", make_folders=True)


# --- what the checks need to know ------------------------------------------------------------------


@contextmanager
def _checks(
    settings: Settings,
    fleet: Fleet,
    asked: SelectionOptions,
    before: merge_base.MergeBaseRules | None,
    mending: Mending,
    prefix: str,
) -> Iterator[tuple[Check, ...]]:
    """Returns the checks of this repository; their sources stay open until the end of the block."""
    configuration, root = fleet.configuration, fleet.configuration.root
    known, today = catalog.load(configuration.catalog_path), app.today()
    with ExitStack() as opened:
        yield all_checks.bound(
            configuration,
            known,
            mending=mending,
            today=today,
            admitted=_admitted,
            way_out=lambda connector: _way_out(connector, configuration, known, today),
            branch=functools.cache(lambda: branch.since(root, fleet.modified, asked.selection.diffed_branch)),
            exists=None if settings.offline else _registries(settings, fleet, opened),
            store=app.open_existing_store(),
            ownership=functools.cache(lambda: _ownership(configuration, before, prefix, asked.selection.diffed_branch)),
            allowed_before=before.repositories if before else None,
            reviews=functools.cache(lambda: _reviews(root, mending.pull_request, opened, offline=settings.offline)),
        )


def _registries(settings: Settings, fleet: Fleet, opened: ExitStack) -> Exists:
    """Queries registries for all base images of the fleet at once, when the first one is needed."""

    @functools.cache
    def answers() -> Exists:
        pool = opened.enter_context(workbench.threads())
        client = opened.enter_context(app.open_registries(fleet.configuration, offline=settings.offline))
        return base_image_exists.together(fleet.connectors, client.resolve, pool)

    return lambda reference: answers()(reference)


def _admitted(connector: Connector) -> Sequence[SpecifierSet]:
    from airbyte_ci.campaigns.bases import pythons  # slow to import, and only needed if a newer base image exists

    return pythons.declared(connector).specifiers


def _way_out(connector: Connector, configuration: Configuration, known: Catalog, today: date) -> str:
    from airbyte_ci.campaigns.bases import (
        upgrade_advice,  # slow to import, and only needed if a base image must be replaced
    )

    return upgrade_advice.of(connector, configuration, known, today)


def _ownership(
    configuration: Configuration, before: merge_base.MergeBaseRules | None, prefix: str, diffed_branch: str | None
) -> Ownership:
    top = configuration.root.parents[prefix.count("/") - 1] if prefix else configuration.root
    commit = history.fork_point_if_known(top, diffed_branch)
    return Ownership(
        codeowners.load(top),
        _names(configuration.customization_owners),
        before=codeowners.committed(top, commit) if commit else None,
        prefix=prefix,
        required_before=_names(before.owners or "") if before else (),
    )


def _names(owners: str) -> tuple[str, ...]:
    return tuple(name for name in re.split(r"[\s,]+", owners) if name)


def _reviews(root: Path, pull_request: int | None, opened: ExitStack, *, offline: bool) -> Reviews | str:
    """Returns the client for the pull request's reviews, or why GitHub cannot be queried."""
    if offline or pull_request is None:
        return "offline, so GitHub was not asked who approved it"
    repository = github.repository(root, app.read_environment())
    if repository is None:
        return "the GitHub repository is unknown: set GITHUB_REPOSITORY"
    reviews = Reviews(repository, pull_request, root)
    opened.callback(reviews.close)
    return reviews


def _prefix(root: Path) -> str:
    """Returns the path of the configured root in its git repository, such as `connectors/`; empty at the top."""
    answer = git.ask(root, "rev-parse", "--show-prefix")
    return answer.stdout.decode(errors="replace").strip("\n") if answer and answer.returncode == 0 else ""
