"""The page of a campaign: waves, burndown, what blocks most, and every connector with its reason."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from airbyte_ci.campaigns.waves.base_history import HistoryDay
from airbyte_ci.campaigns.waves.campaign_file import CampaignFile
from airbyte_ci.campaigns.waves.members import Membership
from airbyte_ci.campaigns.waves.state import STATES, CampaignState, ConnectorState
from airbyte_ci.campaigns.waves.state import State as ConnectorStateName
from airbyte_ci.reports import base_history
from airbyte_ci.reports import campaign as report
from airbyte_ci.reports.page import render
from airbyte_ci.reports.page.blocks import (
    Bar,
    Block,
    Cell,
    Column,
    DataRow,
    DataTable,
    History,
    Link,
    Mark,
    Number,
    Page,
    Paragraph,
    Point,
    Section,
    State,
    Tile,
    rank,
)
from airbyte_ci.reports.page.charts import BLUE, GRAY, GREEN, RED

_MARKS: dict[ConnectorStateName, State] = {
    "trial-failed": "failed",
    "held": "warning",
    "in-pr": "info",
    "planned": "skipped",
    "waiting": "skipped",
    "merged": "ok",
    "released": "ok",
    "healthy": "ok",
    "reverted": "warning",
    "excluded": "skipped",
}
_BURNDOWN_DAYS = 60
_MOST_REASONS = 10


def html(
    campaign: CampaignFile, membership: Membership, state: CampaignState, history: Sequence[HistoryDay] = ()
) -> str:
    """Returns the page. `history` is the number of connectors by base image over time."""
    sections = [
        Section("Waves", tuple(_waves(membership, state))),
        Section("What blocks most", tuple(_blockers(state))),
        Section("Connectors", (_connectors(state),)),
    ]
    if history:
        sections.append(Section("Base images over time", (_bases(history),)))
    subtitle = f"{campaign.migration}: {report.summary(state)}"
    page = Page(f"Campaign {campaign.name}", subtitle, tuple(_tiles(state)), tuple(sections), _note(campaign, state))
    return render.page(page)


def _note(campaign: CampaignFile, state: CampaignState) -> str:
    return f"State of {state.time:%Y-%m-%d %H:%M} UTC, from GitHub and git. The campaign's file is {campaign.path}."


def _tiles(state: CampaignState) -> Iterator[Tile]:
    if state.closed:
        yield Tile("state of the campaign", "closed", "info")
    elif state.held:
        yield Tile("state of the campaign", "on hold", "warning")
    done = sum(item.is_done for item in state.connectors)
    yield Tile("merged or released", f"{done} of {len(state.connectors)}", "ok" if done else None)
    for name, count in state.count().items():
        yield Tile(name, str(count), _MARKS[name])


def _waves(membership: Membership, state: CampaignState) -> Iterator[Block]:
    if state.held and not state.closed:
        yield Paragraph(f"On hold: {state.held}")
    columns = (
        Column("Wave"),
        Column("State"),
        Column("Connectors", series=("done", "open", "failed", "to do"), colors=(GREEN, BLUE, RED, GRAY)),
        Column("Soak time"),
        Column("Next wave when"),
    )
    rows = []
    for item in report.waves(membership, state):
        left = max(0, item.total - item.done - item.open - item.failed)
        values = (item.done, item.open, item.failed, left)
        mark = Mark("ok", "done") if item.done == item.total else Mark("info", "open")
        rows.append(
            DataRow(
                (
                    item.wave.name,
                    mark if item.is_open else Mark("skipped", "waits"),
                    Bar(tuple(map(float, values)), f"{item.done} of {item.total}"),
                    item.soak,
                    item.gate,
                )
            )
        )
    yield DataTable("The earliest first", columns, tuple(rows))
    if points := tuple(_burndown(state)):
        yield History("Connectors that are not merged yet", points)


def _burndown(state: CampaignState) -> Iterator[Point]:
    """Yields the number of connectors that were not merged at the end of each day."""
    merged = [item.pull.merged.date() for item in state.connectors if item.pull and item.pull.merged]
    if not merged:
        return
    total = sum(item.state != "excluded" for item in state.connectors)
    day, last = min(merged) - timedelta(days=1), state.time.date()
    day = max(day, last - timedelta(days=_BURNDOWN_DAYS))
    while day <= last:
        left = total - sum(when <= day for when in merged)
        yield Point(day.isoformat(), left, f"{left} left")
        day += timedelta(days=1)


def _blockers(state: CampaignState) -> Iterator[Block]:
    unfinished, waiting = report.blockers(state)
    if unfinished and waiting:
        names = ", ".join(item.connector for item in unfinished[:5])
        more = f" and {len(unfinished) - 5} more" if len(unfinished) > 5 else ""
        yield Paragraph(f"{waiting} connectors wait for {names}{more}.")
    found = report.reasons(state)[:_MOST_REASONS]
    if not found:
        yield Paragraph("Nothing.")
        return
    rows = tuple(DataRow((reason, Number(count, str(count)))) for reason, count in found)
    yield DataTable("Reasons, the most frequent first", (Column("Reason"), Column("Connectors", is_number=True)), rows)


def _connectors(state: CampaignState) -> DataTable:
    columns = (
        Column("Connector"),
        Column("State"),
        Column("Wave"),
        Column("Pull request"),
        Column("Since"),
        Column("Version"),
        Column("Reason"),
    )
    items = sorted(
        state.connectors, key=lambda item: (rank(_MARKS[item.state]), STATES.index(item.state), item.connector)
    )
    return DataTable("What needs attention comes first", columns, tuple(DataRow(_cells(item)) for item in items))


def _cells(item: ConnectorState) -> tuple[Cell, ...]:
    pull: Cell = Link(report.pull_of(item), item.pull.url) if item.pull else ""
    version = f"{item.before} → {item.after}" if item.after and item.after != item.before else item.before
    since = f"{item.since:%Y-%m-%d}"
    return (item.connector, Mark(_MARKS[item.state], item.state), item.wave, pull, since, version, item.reason)


def _bases(history: Sequence[HistoryDay]) -> DataTable:
    names = base_history.series(history)
    columns = (Column("Day"), Column("Connectors", series=(*names, "others")))
    rows = []
    for day in history:
        counts = [float(day.counts.get(name, 0)) for name in names]
        total = sum(day.counts.values())
        rows.append(DataRow((day.day.isoformat(), Bar((*counts, total - sum(counts)), str(total)))))
    return DataTable("The newest last", columns, tuple(rows))
