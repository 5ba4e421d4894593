"""`campaign run`: one step of a campaign. Safe to repeat at any time."""

import functools
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace

import click

from airbyte_ci import app
from airbyte_ci.app import App
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.delivery import branches, deliver
from airbyte_ci.campaigns.delivery.branches import Ground
from airbyte_ci.campaigns.delivery.deliver import Delivered, Parcel
from airbyte_ci.campaigns.delivery.pull_requests import PullRequests
from airbyte_ci.campaigns.waves import members
from airbyte_ci.campaigns.waves.advance import Actions, CampaignStep
from airbyte_ci.campaigns.waves.dashboard import Commands
from airbyte_ci.campaigns.waves.members import CampaignMember
from airbyte_ci.campaigns.waves.state import ConnectorState
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli.campaign import dashboard
from airbyte_ci.cli.campaign.opened import OpenCampaign, open_campaign, refuse_offline
from airbyte_ci.cli.campaign.planned import Planner, open_planner
from airbyte_ci.cli.campaign.revert import open_reverts
from airbyte_ci.cli.campaign.trials import Trials
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError
from airbyte_ci.outcomes import Outcome, exit_code
from airbyte_ci.reports import campaign as report
from airbyte_ci.reports import terminal


@click.command("run")
@click.argument("name", metavar="NAME")
@click.option(
    "--retry", "retried", multiple=True, metavar="CONNECTOR", help="Try this failed connector again; repeatable."
)
@json_option
@click.pass_obj
def run_campaign(settings: Settings, name: str, retried: tuple[str, ...], *, as_json: bool) -> int:
    """Try the next changes here, open their pull requests, and merge or update those that are open.

    A change whose trial fails is reported and not opened. The exit code is 1 if anything failed in this step. The
    state is written to campaigns/NAME.state.json: commit it, so that the next run remembers failed trials. With
    `state: branch` in the campaign file, it is pushed to a branch of its own.
    """
    settings = settings.also(as_json=as_json)
    refuse_offline(settings)
    with open_campaign(settings, name) as opened:
        if opened.file.closed:
            console.line(f"{opened.file.name} is closed: {opened.file.closed}", err=True)
            return 0
        _refuse_without_canary(opened)
        number = opened.file.dashboard
        commands = dashboard.read(opened, number) if number else Commands()
        names = (*retried, *(name for name in sorted(commands.retried) if opened.membership.has(name)))
        opened = replace(opened, previous=_without_trials(opened, names))
        with workbench.open_app(settings, opened.fleet.configuration) as (tools, progress):
            outcomes = _step(settings, opened, tools, progress, commands)
    return exit_code(outcomes)


def _refuse_without_canary(opened: OpenCampaign) -> None:
    """Raises UsageError before the first step if a wave would be without the connectors that it names."""
    if opened.has_begun:
        return  # the campaign, or a person, has changed them, so that the query does not select them any more
    for problem in members.find_unselected(opened.file, opened.membership):
        raise UsageError(
            f"{opened.file.path}: {problem}", advice="let `select` select it, or name a connector that it selects"
        )


def _without_trials(opened: OpenCampaign, retried: tuple[str, ...]) -> Mapping[str, ConnectorState]:
    """Returns the recorded state without the results of trials that are to be repeated."""
    for name in retried:
        if not opened.membership.has(name):
            raise UsageError(f"{name} is not in the campaign {opened.file.name}", advice="airbyte-ci campaign status")
    return {name: replace(item, inputs="") if name in retried else item for name, item in opened.previous.items()}


def _step(
    settings: Settings, opened: OpenCampaign, tools: App, progress: Progress, commands: Commands
) -> list[Outcome]:
    assert opened.repository is not None and opened.pulls is not None
    planner = open_planner(opened, tools)
    ground, tips = opened.connect_git()
    started, held = dashboard.decisions(commands)
    state = opened.state(app.now(), started, held)
    outcomes: list[Outcome] = []
    with closing(PullRequests(opened.repository, opened.target, waits=False)) as pulls:
        actions = Actions(
            plan=planner.plan,
            trial=Trials(planner, progress).failure,
            deliver=functools.partial(_deliver, opened, planner, ground, tips, pulls),
            is_own=functools.partial(_is_own, ground),
            pulls=opened.pulls,
        )
        step = CampaignStep(opened.file, opened.membership, state, actions)
        try:
            for outcome in step.run():
                outcomes.append(outcome)
                with progress.paused():
                    _show(settings, outcome)
            if commands.is_reverted:
                reason = f"requested on issue {opened.file.dashboard}"
                outcomes += open_reverts(settings, planner, state, reason, pulls)
        finally:
            # Whatever happened is recorded, also before an error or an interruption.
            opened.save(step.state)
    if opened.file.dashboard:
        dashboard.update(opened, opened.file.dashboard, step.state, commands)
    if settings.as_json:
        console.document(report.to_json(opened.file, opened.membership, step.state))
    else:
        text = report.text(opened.file, opened.membership, step.state, width=console.width())
        console.block(text)
    return outcomes


def _show(settings: Settings, outcome: Outcome) -> None:
    if settings.as_json:
        console.document(outcome.to_json("campaign run") | ({"summary": outcome.summary} if outcome.summary else {}))
    else:
        console.block(terminal.outcome(outcome))


def _deliver(
    opened: OpenCampaign,
    planner: Planner,
    ground: Ground,
    tips: Mapping[str, str],
    pulls: PullRequests,
    member: CampaignMember,
    change: Change,
) -> Delivered:
    branch = opened.file.branch(member.name)
    parcel = Parcel(branch, planner.migration.id, (change,))
    return deliver.to_pull_request(ground, parcel, tips.get(branch), pulls, opened.file.labels)


def _is_own(ground: Ground, name: str, head: str) -> bool:
    """Returns whether airbyte-ci made every commit of the branch on the remote."""
    return all(commit.is_ours for commit in branches.remote(ground, name, head).commits)
