"""One step of a campaign, with actions that are recorded."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from airbyte_ci.campaigns.changes.change import AlreadyDone, Change, NotApplicable
from airbyte_ci.campaigns.delivery.deliver import Delivered
from airbyte_ci.campaigns.waves.advance import Actions, CampaignStep
from airbyte_ci.campaigns.waves.campaign_file import CampaignFile, Wave, WaveGate
from airbyte_ci.campaigns.waves.github_pulls import MergeSettings
from airbyte_ci.campaigns.waves.members import CampaignMember, divide
from airbyte_ci.campaigns.waves.reconcile import CampaignFacts, reconcile
from airbyte_ci.campaigns.waves.state import CampaignState
from airbyte_ci.edits.edit import Edit
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.outcomes import Outcome
from tests.campaigns.waves.test_reconcile import FILE, NAMES, NOW, connectors


@dataclass
class Recorded:
    """The actions of a step: `bad` fail their trial, `errors` are raised by plans."""

    bad: set[str] = field(default_factory=set)
    errors: dict[str, AirbyteCiError] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    settings: MergeSettings = field(default_factory=MergeSettings)

    def plan(self, member: CampaignMember) -> Change:
        if error := self.errors.get(member.name):
            raise error
        return Change(
            connector=member.name, folder="", title="", summary="", before="1.0.0", after="1.0.1", edit=Edit()
        )

    def trial(self, member: CampaignMember, _change: Change) -> str:
        self.tried.append(member.name)
        return "spec: broken" if member.name in self.bad else ""

    def deliver(self, member: CampaignMember, change: Change) -> Delivered:
        self.opened.append(member.name)
        number = len(self.opened)
        return Delivered(changes=(change,), branch="b", commit="c", done="created", pull_request=number, url="u")

    def run(self, file: CampaignFile, **facts: Any) -> tuple[CampaignState, list[Outcome]]:
        """The state after a step, and its outcomes."""
        members = divide(file, connectors(), lambda found, _: found, {})
        known = CampaignFacts(time=NOW, inputs={}, **facts)
        actions = Actions(
            plan=self.plan,
            trial=self.trial,
            deliver=self.deliver,
            is_own=lambda _branch, _head: True,
            pulls=self,  # type: ignore[arg-type]  # nothing is merged here
        )
        step = CampaignStep(file, members, reconcile(file, members, {}, known), actions)
        outcomes = list(step.run())
        return step.state, outcomes


ONE = replace(FILE, waves=(Wave(name="all", gate=WaveGate(failures=0.25)),))


def test_a_closed_gate_ends_the_step() -> None:
    """A change that breaks everything is tried a few times only: with the third failure of eight, nothing follows."""
    recorded = Recorded(bad={*NAMES})
    state, outcomes = recorded.run(ONE)
    assert len(recorded.tried) == len(outcomes) == 3
    assert "3 of 8 connectors failed" in state.held and "its gate accepts 2" in state.held
    assert not recorded.opened


def test_the_window_limits_new_pull_requests() -> None:
    """A first step opens two, and no trial is made for more."""
    recorded = Recorded()
    state, _ = recorded.run(ONE)
    assert recorded.tried == recorded.opened
    assert len(recorded.opened) == 2
    assert state.count() == {"in-pr": 2, "planned": 6}


@pytest.mark.parametrize(
    ("error", "state"),
    [(AlreadyDone("it is there"), "healthy"), (NotApplicable("of another kind"), "excluded")],
)
def test_connectors_without_a_change_do_not_wait(error: AirbyteCiError, state: str) -> None:
    """Whatever is there already, or is of another kind, takes no place in the window and does not hold its wave."""
    recorded = Recorded(errors=dict.fromkeys(NAMES[:5], error))
    found, _ = recorded.run(ONE)
    assert {item.connector for item in found.connectors if item.state == state} <= {*NAMES[:5]}
    assert len(recorded.opened) >= 2


def test_a_plan_that_fails_is_a_failure() -> None:
    """A change that cannot be exact counts for the gate, and is reported with its reason."""
    recorded = Recorded(errors={NAMES[0]: AirbyteCiError("the table is broken", advice="fix it")})
    canary = replace(FILE, waves=(Wave(name="canary", connectors=(NAMES[0],)),))
    state, (outcome,) = recorded.run(canary)
    assert (outcome.status, outcome.reason, outcome.advice) == ("failed", "the table is broken", "fix it")
    assert state.held.startswith("wave canary: 1 of 1 connectors failed")


def test_a_closed_campaign_does_nothing() -> None:
    """No action is taken."""
    recorded = Recorded()
    assert recorded.run(replace(ONE, closed="2026-03-01: finished"))[1] == []
    assert not recorded.tried
