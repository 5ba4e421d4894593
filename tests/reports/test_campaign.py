"""The status of a campaign as text, Markdown, JSON and as a page."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from airbyte_ci.campaigns.waves.base_history import NONE, HistoryDay
from airbyte_ci.campaigns.waves.campaign_file import CampaignFile, Wave
from airbyte_ci.campaigns.waves.members import Membership, divide
from airbyte_ci.campaigns.waves.state import STATES, CampaignState, ConnectorState, PullState
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.reports import base_history, campaign, campaign_page

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WAVES = (Wave(name="canary", size=5, soak=timedelta(hours=36)), Wave(name="early", share=0.25))
FILE = CampaignFile(name="july", path="campaigns/july.yaml", migration="upgrade_base_image", waves=WAVES)


def fleet(count: int) -> tuple[Membership, CampaignState]:
    """So many connectors in every state."""
    connectors = [Connector(f"source-{number:03}", Path(), "", {}, frozenset()) for number in range(count)]
    members = divide(FILE, connectors, lambda found, _: found, {})
    items = []
    for number, member in enumerate(members.members):
        merged = NOW - timedelta(days=number % 9) if number % 3 == 0 else None
        pull = PullState(
            number=number + 1,
            url=f"https://github.com/acme/connectors/pull/{number + 1}",
            head="a" * 40,
            status="merged" if merged else "open",
            checks="failure",
            merged=merged,
        )
        items.append(
            ConnectorState(
                connector=member.name,
                state=STATES[number % len(STATES)],
                since=NOW,
                wave=member.wave,
                reason=f"<script>alert({number % 7})</script> | reason \x1b[31m",
                pull=pull if number % 2 == 0 else None,
                before="1.0.0",
                after="1.0.1",
            )
        )
    state = CampaignState(campaign="july", time=NOW, connectors=tuple(items), open_waves=("canary",), held="too fast")
    return members, state


def test_the_text_fits_into_80_columns() -> None:
    """Every line has at most 80 columns, and what needs attention comes first."""
    members, state = fleet(30)
    text = campaign.text(FILE, members, state, width=80)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.splitlines()]
    assert all(len(line) <= 80 for line in lines), max(lines, key=len)
    assert lines[0] == "july: upgrade_base_image, 30 connectors"
    assert " ".join(line.strip() for line in lines[1:3]) == " · ".join(f"3 {name}" for name in STATES)
    assert lines[3] == "! on hold: too fast"
    table = lines[lines.index(next(line for line in lines if line.startswith("CONNECTOR"))) + 1 :]
    assert "trial-failed" in table[0]
    assert not any(" healthy " in line for line in table)
    assert "36 h" in text


def test_markdown_and_json_have_every_number() -> None:
    """Texts of connectors cannot leave their cell; the JSON has the counts and the waves."""
    members, state = fleet(30)
    text = campaign.markdown(FILE, members, state)
    assert text.count("<script>") == text.count("\\<script>") > 0 and "\x1b" not in text
    assert all(line.count(" | ") in (3, 5) for line in text.splitlines() if line.startswith("| source-"))
    document = campaign.to_json(FILE, members, state)
    assert sum(document["counts"].values()) == sum(wave["connectors"] for wave in document["waves"]) + 3 == 30
    assert document["held"] == "too fast"


def test_the_page_of_400_connectors_is_small() -> None:
    """Below 1 MB, with every connector, without markup of a connector, and with the same bytes each time."""
    members, state = fleet(400)
    days = [HistoryDay(date(2026, 3, day), "c", {"base:1.0.0": 400 - day, "base:2.0.0": day}) for day in (1, 2)]
    page = campaign_page.html(FILE, members, state, days)
    assert len(page.encode()) < 1_000_000
    assert all(item.connector in page for item in state.connectors)
    assert "<script>alert" not in page
    assert page == campaign_page.html(FILE, members, state, days)
    assert "On hold: too fast" in page
    closed = campaign_page.html(FILE, members, replace(state, closed="2026-03-02: finished"))
    assert "closed" in closed and "On hold" not in closed


def test_history_as_text() -> None:
    """A column for each of the most used base images, and a bar for all connectors that have one."""
    days = [
        HistoryDay(date(2026, 3, 1), "c", {"base:1.0.0": 3, NONE: 1}),
        HistoryDay(date(2026, 3, 2), "d", {"base:1.0.0": 1, "base:2.0.0": 3}),
    ]
    assert base_history.text(days, None).splitlines() == [
        "DAY         1.0.0  2.0.0  no base image  OTHERS  WITH A BASE IMAGE",
        "2026-03-01  3      –      1              –       3 of 4 ███████████████",
        "2026-03-02  1      3      –              –       4 of 4 ████████████████████",
    ]
    assert base_history.to_json(days)[0]["connectors"] == {"base:1.0.0": 3, NONE: 1}
