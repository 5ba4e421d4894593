"""Computes the state of a campaign from facts. Pure functions: whatever they need is an argument."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from airbyte_ci.campaigns.waves.campaign_file import CampaignFile, Wave
from airbyte_ci.campaigns.waves.members import CampaignMember, Membership
from airbyte_ci.campaigns.waves.state import CampaignState, ConnectorState, PullState, State


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFacts:
    """The world at `time`: the pull requests of the campaign and of its reverts, by connector.

    `inputs` are as in ConnectorState. `targets` are the base images of pull requests that are not recorded.
    `is_released` asks the registry for a version of a connector. `withdrawal` returns why a base image must not be used
    any more. `started` are waves that a person started, `held` is a person's hold.
    """

    time: datetime
    inputs: Mapping[str, str]
    pulls: Mapping[str, PullState] = field(default_factory=dict)
    reverts: Mapping[str, PullState] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    is_released: Callable[[CampaignMember, str], bool] = lambda _member, _version: False
    withdrawal: Callable[[str], str] = lambda _address: ""
    started: frozenset[str] = frozenset()
    held: str = ""


def reconcile(
    campaign: CampaignFile, membership: Membership, previous: Mapping[str, ConnectorState], facts: CampaignFacts
) -> CampaignState:
    """Returns the current state. What `previous` records is used only where nobody else knows it."""
    found = [
        _connector(campaign, membership, member, previous.get(member.name), facts) for member in membership.members
    ]
    states = {item.connector: item for item in found}
    opened, gate = _open_waves(membership, states, facts)
    held = campaign.hold or facts.held or _withdrawn(found, facts) or gate
    items = []
    for item in found:
        if item.state == "planned" and item.wave not in opened:
            index = [wave.name for wave in membership.waves].index(item.wave)
            item = _moved(item, "waiting", f"wave {membership.waves[index - 1].name} comes first")
        if held and item.state in ("planned", "waiting", "in-pr"):
            item = _moved(item, "held", held)
        before = previous.get(item.connector)
        if before and before.state == item.state:
            item = replace(item, since=before.since)
        items.append(item)
    return CampaignState(
        campaign=campaign.name,
        time=facts.time,
        connectors=tuple(items),
        open_waves=opened,
        held=held,
        closed=campaign.closed,
    )


def _moved(item: ConnectorState, state: State, reason: str) -> ConnectorState:
    return replace(item, state=state, reason=reason)


def _connector(
    campaign: CampaignFile,
    membership: Membership,
    member: CampaignMember,
    previous: ConnectorState | None,
    facts: CampaignFacts,
) -> ConnectorState:
    connector = member.connector
    inputs = facts.inputs.get(member.name, "")
    item = ConnectorState(
        connector=member.name,
        state="planned",
        since=facts.time,
        wave=member.wave,
        inputs=inputs,
        before=connector.version,
        base_before=connector.base_image or "",
        base_after=facts.targets.get(member.name, ""),
    )
    if previous:
        item = replace(
            item,
            attempt=previous.attempt,
            head=previous.head,
            before=previous.before or item.before,
            after=previous.after,
            base_before=previous.base_before or item.base_before,
            base_after=previous.base_after or item.base_after,
        )
    if exclusion := campaign.exclusion(member.name, facts.time.date()):
        pull = facts.pulls.get(member.name)
        is_open = pull is not None and pull.status == "open"
        return _moved(replace(item, pull=pull if is_open else None), "excluded", str(exclusion))
    found = facts.reverts.get(member.name)
    revert = replace(found, is_revert=True) if found else None
    if revert and revert.status == "merged":
        return replace(item, state="reverted", reason=f"by pull request {revert.number}", pull=revert)
    pull = facts.pulls.get(member.name)
    if pull:
        item = _with_pull(campaign, membership, member, replace(item, pull=pull), previous, facts)
        if revert and revert.status == "open":
            return replace(item, state="held", reason=f"pull request {revert.number} reverts it", pull=revert)
        return item
    if previous and previous.inputs == inputs and previous.state in ("trial-failed", "healthy", "excluded"):
        # Known from a trial or a plan with the same files.
        return replace(item, state=previous.state, reason=previous.reason, since=previous.since)
    return replace(item, head="")


def _with_pull(
    campaign: CampaignFile,
    membership: Membership,
    member: CampaignMember,
    item: ConnectorState,
    previous: ConnectorState | None,
    facts: CampaignFacts,
) -> ConnectorState:
    pull = item.pull
    assert pull is not None
    if pull.status == "closed":
        return _moved(item, "held", f"pull request {pull.number} was closed without being merged")
    if pull.status == "open":
        return _moved(item, "in-pr", _open_reason(item, pull))
    done, reason = pull.merged or facts.time, ""
    state: State = "merged"
    if campaign.done_when == "released":
        version = item.after or member.connector.version
        if not facts.is_released(member, version):
            return _moved(item, "merged", f"version {version} is not in the registry")
        state = "released"
        if previous and previous.state in ("released", "healthy"):
            done = previous.since
    soak = next(wave.soak for wave in membership.waves if wave.name == member.wave)
    if facts.time >= done + soak:
        state = "healthy"
    else:
        reason = f"soaks until {(done + soak):%Y-%m-%d %H:%M}"
    return replace(item, state=state, reason=reason, since=done)


def _open_reason(item: ConnectorState, pull: PullState) -> str:
    """Returns what an open pull request waits for."""
    if item.head and item.head != pull.head:
        return "a person changed its branch, so it is left to people"
    if pull.is_conflicting:
        return "it conflicts with the target branch"
    if pull.is_draft:
        return "it is a draft"
    match pull.checks:
        case "failure":
            return "its checks fail"
        case "pending":
            return "its checks are running"
    if pull.is_behind:
        return "its branch is behind the target branch"
    if pull.is_queued:
        return "it is in the merge queue"
    return "it will be merged automatically" if pull.is_automatic else "it waits for review"


def _open_waves(
    membership: Membership, states: Mapping[str, ConnectorState], facts: CampaignFacts
) -> tuple[tuple[str, ...], str]:
    """Returns the names of the waves that are open, and why a gate is closed for good; empty if none is."""
    opened: list[str] = []
    for wave in membership.waves:
        opened.append(wave.name)
        items = [states[member.name] for member in membership.of(wave.name)]
        next_wave = following(membership.waves, wave)
        if next_wave and next_wave.name in facts.started:
            continue
        if problem := gate_problem(wave, items):
            return tuple(opened), problem
        if not _is_finished(wave, items):
            break
    return tuple(opened), ""


def following(waves: Sequence[Wave], wave: Wave) -> Wave | None:
    """Returns the wave after another one."""
    place = waves.index(wave) + 1
    return waves[place] if place < len(waves) else None


def gate_problem(wave: Wave, items: Sequence[ConnectorState]) -> str:
    """Returns why the gate of a wave is closed: more failures than it accepts. Empty if it is not."""
    counted = [item for item in items if item.state != "excluded"]
    failed = sorted(item.connector for item in counted if item.is_failure)
    accepted = wave.gate.accepted(len(counted))
    if len(failed) <= accepted:
        return ""
    named = ", ".join(failed[:3]) + (f" and {len(failed) - 3} more" if len(failed) > 3 else "")
    number = f"{len(failed)} of {len(counted)} connectors failed"
    return f"wave {wave.name}: {number} ({named}), and its gate accepts {accepted}"


def _is_finished(wave: Wave, items: Sequence[ConnectorState]) -> bool:
    """Returns whether the share of done connectors is reached, and the last one of them has soaked."""
    counted = [item for item in items if item.state != "excluded"]
    settled = [item for item in counted if item.is_done or (item.is_failure and item.state != "in-pr")]
    if len(settled) < wave.gate.done * len(counted):
        return False
    return all(item.state == "healthy" for item in settled if item.is_done)


def _withdrawn(items: Sequence[ConnectorState], facts: CampaignFacts) -> str:
    """Returns why the campaign's target must not be used any more; empty if it may be."""
    withdrawal = functools.cache(facts.withdrawal)
    for address in sorted({item.base_after for item in items if item.base_after}):
        if reason := withdrawal(address):
            return f"the target {address.partition('@')[0]} was yanked: {reason}"
    return ""
