"""Formats the state of a campaign as text, as Markdown and as JSON. Pure functions."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from click import style

from airbyte_ci.campaigns.waves.campaign_file import CampaignFile, Wave
from airbyte_ci.campaigns.waves.members import Membership
from airbyte_ci.campaigns.waves.state import STATES, CampaignState, ConnectorState, State
from airbyte_ci.reports import columns
from airbyte_ci.text import escape, escape_markdown, join_lines

_COLORS: dict[State, str] = {
    "trial-failed": "red",
    "held": "red",
    "reverted": "yellow",
    "in-pr": "cyan",
    "merged": "green",
    "released": "green",
    "healthy": "green",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveCount:
    """The numbers of one wave."""

    wave: Wave
    is_open: bool
    total: int
    done: int
    open: int
    failed: int

    @property
    def soak(self) -> str:
        hours = int(self.wave.soak.total_seconds()) // 3600
        minutes = int(self.wave.soak.total_seconds()) // 60
        if hours and hours % 24 == 0:
            return f"{hours // 24} d"
        return f"{hours} h" if hours else f"{minutes} min" if minutes else "–"

    @property
    def gate(self) -> str:
        gate = self.wave.gate
        return f"{gate.done:.0%} done, {gate.accepted(self.total)} may fail"


def waves(membership: Membership, state: CampaignState) -> list[WaveCount]:
    """Returns the numbers of each wave, in their order."""
    return [_count(wave, state) for wave in membership.waves]


def _count(wave: Wave, state: CampaignState) -> WaveCount:
    items = [item for item in state.connectors if item.wave == wave.name and item.state != "excluded"]
    return WaveCount(
        wave=wave,
        is_open=wave.name in state.open_waves,
        total=len(items),
        done=sum(item.is_done for item in items),
        open=sum(bool(item.pull and item.pull.status == "open") for item in items),
        failed=sum(item.is_failure for item in items),
    )


def blockers(state: CampaignState) -> tuple[list[ConnectorState], int]:
    """Returns the unfinished connectors of the last open wave, and how many connectors wait for them."""
    last = state.open_waves[-1] if state.open_waves else ""
    waiting = sum(item.state == "waiting" for item in state.connectors)
    return [item for item in state.connectors if item.wave == last and not _is_settled(item)], waiting


def _is_settled(item: ConnectorState) -> bool:
    return item.state in ("healthy", "excluded", "trial-failed", "reverted")


def summary(state: CampaignState) -> str:
    """Returns the numbers by state in one line."""
    return " · ".join(f"{count} {name}" for name, count in state.count().items()) or "no connectors"


def text(
    campaign: CampaignFile,
    membership: Membership,
    state: CampaignState,
    shown: Collection[State] = (),
    width: int | None = None,
) -> str:
    """Returns the whole status. Healthy and excluded connectors are only counted, unless they are in `shown`."""
    number = _number(len(state.connectors), "connector")
    lines = [f"{campaign.name}: {campaign.migration}, {number}", *columns.wrapped(f"  {summary(state)}", width)]
    if state.closed:
        lines += columns.wrapped(f"  closed: {escape(state.closed)}", width)
    elif state.held:
        lines += [style(line, fg="red") for line in columns.wrapped(f"! on hold: {escape(state.held)}", width)]
    rows = [("WAVE", "CONNECTORS", "DONE", "OPEN", "FAILED", "SOAK", "NEXT WAVE WHEN")]
    for item in waves(membership, state):
        name = item.wave.name if item.is_open else f"({item.wave.name})"
        numbers = (str(item.total), str(item.done), str(item.open), str(item.failed))
        rows.append((name, *numbers, item.soak, item.gate))
    blocks = [join_lines(lines), columns.lines(rows, width=width)]
    items = sorted(_visible(state, shown), key=_order)
    if items:
        blocks.append(_table(items, width, state.held))
    return "\n".join(blocks)


def _visible(state: CampaignState, shown: Collection[State]) -> list[ConnectorState]:
    wanted = shown or {name for name in STATES if name not in ("healthy", "excluded")}
    return [item for item in state.connectors if item.state in wanted]


def _order(item: ConnectorState) -> tuple[int, str]:
    return STATES.index(item.state), item.connector


def _table(items: Sequence[ConnectorState], width: int | None, shown: str) -> str:
    """Returns the connectors; reasons that do not fit follow below, apart from the one that is `shown` above."""
    rows = [("CONNECTOR", "STATE", "PULL REQUEST", "REASON")]
    reasons = [columns.without_name(item.connector, item.reason) for item in items]
    rows += [(item.connector, item.state, pull_of(item), reason) for item, reason in zip(items, reasons, strict=True)]

    def paint(row: int, column: int) -> Any:  # noqa: ANN401  # a style of click
        color = _COLORS.get(items[row - 1].state) if row and column == 1 else None
        return (lambda cell: style(cell, fg=color)) if color else None

    table = columns.lines(rows, paint, width=width, shorten=(3, 0))
    notes = ((item.connector, reason) for item, reason in zip(items, reasons, strict=True) if reason != shown)
    return table + columns.footnotes(table, notes, width)


def pull_of(item: ConnectorState) -> str:
    """Returns `#7 success`, or an empty text."""
    if item.pull is None:
        return ""
    checks = f" {item.pull.checks}" if item.pull.status == "open" and item.pull.checks != "none" else ""
    return f"#{item.pull.number}{checks}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def to_json(campaign: CampaignFile, membership: Membership, state: CampaignState) -> dict[str, Any]:
    """Returns the status as one document: the state file's content, and numbers."""
    return {
        **state.to_json(),
        "migration": campaign.migration,
        "counts": state.count(),
        "waves": [
            {
                "name": item.wave.name,
                "open": item.is_open,
                "connectors": item.total,
                "done": item.done,
                "openPullRequests": item.open,
                "failed": item.failed,
                "failuresAccepted": item.wave.gate.accepted(item.total),
            }
            for item in waves(membership, state)
        ],
    }


def markdown(campaign: CampaignFile, membership: Membership, state: CampaignState) -> str:
    """Returns the status for a step summary or an issue."""
    return join_lines(_markdown(campaign, membership, state))


def _markdown(campaign: CampaignFile, membership: Membership, state: CampaignState) -> Iterator[str]:
    yield f"## Campaign {escape_markdown(campaign.name)}"
    yield ""
    yield f"`{campaign.migration}` on {_number(len(state.connectors), 'connector')}: {summary(state)}"
    yield ""
    if state.held and not state.closed:
        yield f"**On hold:** {escape_markdown(state.held)}"
        yield ""
    yield "| Wave | Connectors | Done | Open | Failed | Next wave when |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    for item in waves(membership, state):
        numbers = f"{item.total} | {item.done} | {item.open} | {item.failed}"
        yield f"| {item.wave.name}{'' if item.is_open else ' (waits)'} | {numbers} | {item.gate} |"
    items = sorted(_visible(state, ()), key=_order)
    if items:
        yield ""
        yield "| Connector | State | Pull request | Reason |"
        yield "| --- | --- | --- | --- |"
        for connector in items:
            name = escape_markdown(connector.connector)
            yield f"| {name} | {connector.state} | {_link(connector)} | {_cell(connector)} |"


def _link(item: ConnectorState) -> str:
    return f"[#{item.pull.number}]({item.pull.url})" if item.pull else ""


def _cell(item: ConnectorState) -> str:
    return escape_markdown(" ".join(item.reason.split())[:300])


def reasons(state: CampaignState) -> list[tuple[str, int]]:
    """Returns what blocks connectors, the most frequent first."""
    counts = Counter(item.reason for item in state.connectors if item.reason and not _is_settled(item))
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
