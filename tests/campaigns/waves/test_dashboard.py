"""The issue of a campaign: boxes that are read as they were written, and a text of bounded length."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_ci.campaigns.waves import dashboard
from airbyte_ci.campaigns.waves.dashboard import Commands
from tests.reports.test_campaign import FILE, fleet

MEMBERS, STATE = fleet(40)
FAILED = [item.connector for item in STATE.connectors if item.state == "trial-failed"]


@given(st.booleans(), st.booleans(), st.sets(st.sampled_from(["early", "rest"])), st.sets(st.sampled_from(FAILED)))
def test_boxes_are_read_as_written(is_held: bool, is_reverted: bool, started: set[str], retried: set[str]) -> None:
    """Each ticked box is read again, also with the line ends of GitHub's editor and other words around it."""
    wanted = Commands(is_held, is_reverted, frozenset(started), frozenset(retried))
    body = dashboard.write(FILE, MEMBERS, STATE, wanted, "| a | b |")
    assert dashboard.read(body) == wanted
    assert (
        dashboard.read(re.sub("--> .*", "--> other words", body).replace("\n", "\r\n").replace("[x]", "[X]")) == wanted
    )
    assert dashboard.is_of(FILE, body)


@settings(max_examples=25)
@given(st.text(), st.text())
def test_the_text_of_people_stays(before: str, after: str) -> None:
    """Whatever people write in front of airbyte-ci's part and behind it is kept, and each update gives the same."""
    body = dashboard.write(FILE, MEMBERS, STATE, Commands(), "| old |\n")
    edited = f"{before}\n{body}\n{after}"
    wanted = body.replace("| old |", "| new |")
    written = dashboard.write(FILE, MEMBERS, STATE, Commands(), "| new |\n", edited)
    assert written == f"{before}\n{wanted}\n{after}".replace("\r\n", "\n")
    assert dashboard.write(FILE, MEMBERS, STATE, Commands(), "| new |\n", written) == written


def test_a_long_status_is_cut() -> None:
    """GitHub accepts 65,536 characters: boxes stay, and rows of the table are left out."""
    body = dashboard.write(FILE, MEMBERS, STATE, Commands(), "| row |\n" * 20_000)
    assert len(body) < 65_000
    assert "airbyte-ci campaign status" in body
    assert "do=hold" in body
