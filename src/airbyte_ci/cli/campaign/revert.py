"""`campaign revert`: pull requests that undo the merged changes of a campaign, in new versions."""

from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import click

from airbyte_ci import app
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.delivery import deliver
from airbyte_ci.campaigns.delivery.deliver import Parcel
from airbyte_ci.campaigns.delivery.pull_requests import PullRequests
from airbyte_ci.campaigns.waves import changes, pace
from airbyte_ci.campaigns.waves.advance import limited
from airbyte_ci.campaigns.waves.state import CampaignState, ConnectorState
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli.campaign.opened import OpenCampaign, open_campaign, refuse_offline
from airbyte_ci.cli.campaign.planned import Planner, open_planner
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.git import git
from airbyte_ci.git.github import GitHubLimit
from airbyte_ci.outcomes import Outcome, exit_code, failure
from airbyte_ci.reports import terminal


@click.command("revert")
@click.argument("name", metavar="NAME")
@click.option("--reason", required=True, help="Say why, in one line, for the changelog entries.")
@click.option(
    "--connector", "names", multiple=True, metavar="CONNECTOR", help="Revert only this connector; repeatable."
)
@click.option("--dry-run", is_flag=True, help="Show which connectors would be reverted, and open nothing.")
@json_option
@click.pass_obj
def revert_campaign(
    settings: Settings, name: str, reason: str, names: tuple[str, ...], *, dry_run: bool, as_json: bool
) -> int:
    """Open a pull request for each connector that the campaign merged, with a new version that undoes its change.

    Put the campaign on hold first, so that it does not open more pull requests meanwhile.
    """
    settings = settings.also(as_json=as_json)
    refuse_offline(settings)
    reason = " ".join(reason.split())
    if not reason:
        raise UsageError("--reason is empty", advice="give the reason in a few words")
    with open_campaign(settings, name) as opened:
        for given in names:
            if not opened.membership.has(given):
                raise UsageError(f"{given} is not in the campaign {opened.file.name}")
        assert opened.repository is not None, "commands refuse --offline"
        state = opened.state(app.now())
        if not any(_is_to_revert(opened, item, names) for item in state.connectors):
            console.line(f"{opened.file.name} has merged nothing that could be reverted", err=True)
            return 0
        with workbench.open_app(settings, opened.fleet.configuration) as (tools, _):
            planner = open_planner(opened, tools)
            with closing(PullRequests(opened.repository, opened.target, waits=False)) as pulls:
                outcomes = open_reverts(settings, planner, state, reason, pulls, names, dry_run=dry_run)
        if not dry_run:
            opened.save(opened.again().state(app.now()))
    return exit_code(outcomes)


def _is_to_revert(opened: OpenCampaign, item: ConnectorState, names: Collection[str]) -> bool:
    """Returns whether it is merged, and no pull request reverts it; a draft was left by a command that did not end."""
    merged = opened.found.get(item.connector)
    if merged is None or merged.status != "merged" or item.state == "reverted":
        return False
    is_complete = item.pull is not None and item.pull.is_revert and not item.pull.is_draft
    return not is_complete and (not names or item.connector in names)


def open_reverts(
    settings: Settings,
    planner: Planner,
    state: CampaignState,
    reason: str,
    pulls: PullRequests,
    names: Collection[str] = (),
    *,
    dry_run: bool = False,
) -> list[Outcome]:
    """Opens the pull requests, and shows and returns an outcome for each merged connector (of `names`, if given)."""
    opened = planner.opened
    ground, tips = opened.connect_git()
    outcomes: list[Outcome] = []
    left = pace.MOST_PER_HOUR - pace.opened_within(state, timedelta(hours=1))
    for item in (item for item in state.connectors if _is_to_revert(opened, item, names)):
        try:
            if not dry_run and len(outcomes) >= left:
                raise GitHubLimit("GitHub limits the number of requests in an hour")
            change = _plan(planner, item, reason)
            if dry_run:
                outcome = Outcome(subject=item.connector, status="ok", summary=change.summary)
            else:
                branch = opened.file.revert_branch(item.connector)
                parcel = Parcel(branch, f"revert_{planner.migration.id}", (change,))
                done = deliver.to_pull_request(ground, parcel, tips.get(branch), pulls, opened.file.labels)
                summary = f"{change.summary}: pull request {done.pull_request} {done.done}: {done.url}"
                outcome = Outcome(subject=item.connector, status="ok", summary=summary)
        except GitHubLimit as error:
            outcome = limited(opened.file, error)
        except AirbyteCiError as error:
            outcome = failure(item.connector, error)
        outcomes.append(outcome)
        if settings.as_json:
            console.document(outcome.to_json("campaign revert"))
        else:
            console.block(terminal.outcome(outcome))
        if outcome.status == "skipped":
            break
    return outcomes


def _plan(planner: Planner, item: ConnectorState, reason: str) -> Change:
    """Returns the reverse of a merged pull request. Raises AirbyteCiError if this clone does not contain it."""
    opened = planner.opened
    root = opened.fleet.configuration.root
    pull = opened.found[item.connector]
    commit = pull.merge_commit
    known = git.ask(root, "merge-base", "--is-ancestor", commit, opened.base) if commit else None
    if known is None or known.returncode:
        raise AirbyteCiError(
            f"cannot revert {item.connector}: this branch is older than pull request {pull.number}",
            advice=f"git pull --ff-only origin {opened.target}",
        )
    member = next(member for member in opened.membership.members if member.name == item.connector)
    task = planner.task(member)
    task = replace(task, entry=replace(task.entry, subject=""))
    subject = f"Revert {item.after or 'version ' + member.connector.version}: {reason}"
    return changes.plan_revert(task, commit, opened.base, subject)
