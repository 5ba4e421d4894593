"""The state of a campaign as a function of facts: waves, gates, soak times, holds, and what is remembered."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from airbyte_ci.campaigns.waves import pace
from airbyte_ci.campaigns.waves.campaign_file import CampaignFile, Exclusion, Rate, Wave, WaveGate
from airbyte_ci.campaigns.waves.members import Membership, divide, find_oddities
from airbyte_ci.campaigns.waves.reconcile import CampaignFacts, reconcile
from airbyte_ci.campaigns.waves.state import CampaignState, ConnectorState, PullState, PullStatus, State, StateFile
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, UsageError

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NAMES = [f"source-{letter}" for letter in "abcdefgh"]
WAVES = (
    Wave(name="canary", connectors=("source-a",), soak=timedelta(days=1)),
    Wave(name="early", connectors=("source-b", "source-c"), gate=WaveGate(failures=0.5)),
)
FILE = CampaignFile(name="july", path="campaigns/july.yaml", migration="upgrade_base_image", waves=WAVES)


def connectors(names: list[str] = NAMES) -> list[Connector]:
    return [Connector(name, Path(name), name, {"dockerImageTag": "1.0.0"}, frozenset()) for name in names]


MEMBERS = divide(FILE, connectors(), lambda found, _: found, {})


def pull(status: PullStatus, hours: float = 0, **more: object) -> PullState:
    """A pull request that was merged so many hours ago."""
    merged = NOW - timedelta(hours=hours) if status == "merged" else None
    return replace(PullState(number=7, url="u", head="abc", status=status, merged=merged), **more)  # type: ignore[arg-type]  # any field


def states(
    pulls: Mapping[str, PullState],
    previous: Mapping[str, ConnectorState] | None = None,
    file: CampaignFile = FILE,
    **facts: object,
) -> CampaignState:
    given = {"time": NOW, "inputs": dict.fromkeys(NAMES, "same"), "pulls": pulls, **facts}
    return reconcile(file, MEMBERS, previous or {}, CampaignFacts(**given))  # type: ignore[arg-type]  # any field


def by_name(found: CampaignState) -> dict[str, str]:
    return {item.connector.removeprefix("source-"): item.state for item in found.connectors}


def test_the_next_wave_waits_until_the_last_one_soaked() -> None:
    """A wave is open when all connectors of the one before are done, and its soak time has passed."""
    assert {name for name, found in by_name(states({})).items() if found == "planned"} == {"a"}
    soaking = states({"source-a": pull("merged", 23)})
    assert (by_name(soaking)["a"], by_name(soaking)["b"]) == ("merged", "waiting")
    passed = states({"source-a": pull("merged", 24)})
    assert (by_name(passed)["a"], by_name(passed)["b"], by_name(passed)["d"]) == ("healthy", "planned", "waiting")
    whole = states({name: pull("merged", 24) for name in NAMES[:3]})
    assert by_name(whole)["d"] == "planned"
    assert passed.open_waves == ("canary", "early")


@pytest.mark.parametrize(
    "failure",
    [pull("closed"), pull("open", checks="failure")],
    ids=["closed by a person", "red checks"],
)
def test_a_gate_counts_failures(failure: PullState) -> None:
    """The canary accepts no failure, so the campaign is held; a wave of two with 50 % accepts one."""
    held = states({"source-a": failure})
    assert held.held == "wave canary: 1 of 1 connectors failed (source-a), and its gate accepts 0"
    assert {*by_name(held).values()} == {"held"}
    one = states({"source-a": pull("merged", 24), "source-b": failure})
    assert not one.held
    two = states({"source-a": pull("merged", 24), "source-b": failure, "source-c": failure})
    assert "2 of 2 connectors failed (source-b, source-c), and its gate accepts 1" in two.held
    assert by_name(two)["a"] == "healthy"


def test_failed_trials_are_remembered_for_the_same_files() -> None:
    """A trial is not repeated for the same files and order, and forgotten when they change."""
    failed = ConnectorState(connector="source-a", state="trial-failed", since=NOW, reason="spec", inputs="same")
    assert by_name(states({}, {"source-a": failed}))["a"] == "trial-failed"
    assert by_name(states({}, {"source-a": replace(failed, inputs="other")}))["a"] == "planned"
    again = states({"source-a": pull("open")}, {"source-a": failed})
    assert by_name(again)["a"] == "in-pr"


def test_whatever_holds_a_campaign_wins() -> None:
    """The file, a person on the dashboard, and a yanked target hold everything that is not merged."""
    on_target = ConnectorState(connector="source-a", state="in-pr", since=NOW, base_after="x:2@sha256:1", inputs="same")
    for found in (
        states({}, file=replace(FILE, hold="too fast")),
        states({}, held="a person says so"),
        states({"source-a": pull("open")}, {"source-a": on_target}, withdrawal=lambda _: "it leaks"),
    ):
        assert found.held in ("too fast", "a person says so", "the target x:2 was yanked: it leaks")
        assert {*by_name(found).values()} == {"held"}


def test_exclusions_end() -> None:
    """An exclusion has a reason, does not count for the gate, and ends after its last day."""
    file = replace(FILE, exclusions=(Exclusion("source-a", "rewritten soon", NOW.date()),))
    found = states({}, file=file)
    assert (by_name(found)["a"], by_name(found)["b"]) == ("excluded", "planned")
    assert found.connectors[0].reason == "rewritten soon (until 2026-03-02)"
    assert by_name(states({}, file=file, time=NOW + timedelta(days=1)))["a"] == "planned"


def test_released_needs_the_registry() -> None:
    """With `done-when: released`, soaking begins when the version is in the registry."""
    file = replace(FILE, done_when="released")
    pulls = {"source-a": pull("merged", 48)}
    assert by_name(states(pulls, file=file))["a"] == "merged"
    seen = ConnectorState(connector="source-a", state="released", since=NOW - timedelta(hours=25))
    released = {"is_released": lambda _member, version: version == "1.0.0"}
    assert by_name(states(pulls, {"source-a": seen}, file=file, **released))["a"] == "healthy"
    fresh = replace(seen, since=NOW - timedelta(hours=1))
    assert by_name(states(pulls, {"source-a": fresh}, file=file, **released))["a"] == "released"


def test_reverts_replace_what_they_revert() -> None:
    """A merged revert is a state of its own, and an open one holds its connector."""
    merged = {"source-a": pull("merged", 48)}
    assert by_name(states(merged, reverts={"source-a": pull("merged")}))["a"] == "reverted"
    assert by_name(states(merged, reverts={"source-a": pull("open")}))["a"] == "held"


def test_a_person_may_start_the_next_wave() -> None:
    """A wave that a person started is open, whatever the gate of the one before says."""
    found = states({"source-a": pull("closed")}, started=frozenset({"early"}))
    assert (found.held, by_name(found)["b"], by_name(found)["d"]) == ("", "planned", "waiting")


def test_waves_take_named_connectors_and_shares() -> None:
    """Each connector is in one wave; a named one is in its own, and the same names always give the same waves."""
    file = replace(FILE, waves=(Wave(name="some", share=0.5), Wave(name="named", connectors=("source-a",))))
    found = divide(file, connectors(), lambda items, _: items, {})
    sizes = {wave.name: len(found.of(wave.name)) for wave in found.waves}
    assert sizes == {"some": 4, "named": 1, "rest": 3}
    assert [item.name for item in found.of("named")] == ["source-a"]
    again = divide(file, connectors(NAMES[::-1]), lambda items, _: items, {})
    assert [item.name for item in again.members] == [item.name for item in found.members]
    with pytest.raises(UsageError, match="wave named names 'source-a', which is not a connector"):
        divide(file, connectors(NAMES[1:]), lambda items, _: items, {})


def test_what_is_probably_not_meant_is_reported() -> None:
    """An empty selection, a named connector that the query leaves out, and an exclusion that ended."""
    file = replace(FILE, select="old", exclusions=(Exclusion("source-b", "old", date(2026, 3, 1)),))
    nothing = divide(file, connectors(), lambda _items, _: [], {})
    assert next(find_oddities(file, nothing, NOW.date())) == "its query selects no connector"
    some = divide(file, connectors(), lambda items, _: items[1:], {})
    assert [*find_oddities(file, some, NOW.date())] == [
        "wave canary names source-a, which the campaign's query does not select",
        "the exclusion of source-b ended on 2026-03-01",
    ]
    begun = divide(file, connectors(), lambda items, _: items[1:], {"source-a": "canary"})
    assert not [*find_oddities(file, begun, date(2026, 3, 1))]


def test_connectors_that_were_changed_stay_in_their_wave() -> None:
    """The query selects old connectors only: those that the campaign has changed stay members, each in its wave."""
    file = replace(FILE, select="old", waves=(Wave(name="some", size=3), Wave(name="more", size=3), Wave(name="rest")))
    before = divide(file, connectors(), lambda items, _: items, {})
    begun = {member.name: member.wave for member in before.members if member.wave == "some"}
    after = divide(file, connectors(), lambda items, _: [item for item in items if item.name not in begun], begun)
    assert {member.name: member.wave for member in after.members} == {
        member.name: member.wave for member in before.members
    }
    unknown = divide(file, connectors(), lambda items, _: items[4:], dict.fromkeys(NAMES[:4], ""))
    assert sorted(member.name for member in unknown.members) == NAMES


def item(name: str, kind: State, minute: int, **more: object) -> ConnectorState:
    since = NOW + timedelta(minutes=minute)
    return replace(ConnectorState(connector=name, state=kind, since=since), **more)  # type: ignore[arg-type]  # any field


def test_the_window_grows_with_success_and_halves_with_failures() -> None:
    """Two pull requests at first, one more for each that was merged, half as many after a failure, but at least two."""
    done = [item(f"s{minute}", "healthy", minute, pull=pull("merged")) for minute in range(6)]
    assert pace.window_of([item("there already", "healthy", 0)]) == 2
    assert [pace.window_of(done[:number]) for number in (0, 1, 6)] == [2, 3, 8]
    assert pace.window_of([*done, item("bad", "trial-failed", 9)]) == 4
    assert pace.window_of([item(f"b{minute}", "trial-failed", minute) for minute in range(9)]) == 2


def test_the_tightest_limit_applies() -> None:
    """Open pull requests, those of the last 24 hours, and the hours of the file limit a run."""
    recent = pull("merged", 1, created=NOW - timedelta(hours=2))
    items = [item(f"s{number}", "healthy", number, pull=recent) for number in range(30)]
    current = CampaignState(campaign="july", time=NOW, connectors=tuple(items))
    assert pace.allow(replace(FILE, rate=Rate(per_day=31)), current).number == 1
    assert pace.allow(replace(FILE, rate=Rate(per_day=100)), current).number == 20
    lately = [replace(one, pull=replace(recent, created=NOW - timedelta(minutes=59))) for one in items]
    fast = replace(FILE, rate=Rate(per_day=1000, open=1000))
    many = replace(current, connectors=tuple(lately * 3))
    assert (pace.allow(fast, current).number, pace.allow(fast, many).number) == (32, pace.MOST_PER_HOUR - 90)
    assert pace.allow(replace(FILE, rate=Rate(per_day=500, open=400)), current).number == 32
    assert pace.allow(replace(FILE, rate=Rate(hours=(13, 18))), current).number == 0
    assert pace.allow(replace(FILE, rate=Rate(hours=(13, 18), zone="Europe/Berlin")), current).number > 0
    assert pace.allow(replace(FILE, rate=Rate(days=("sat", "sun"))), current).number == 0


def test_the_state_file_is_sorted_and_read_again(tmp_path: Path) -> None:
    """Connectors are sorted by name, empty values are left out, and an equal state does not touch the file."""
    found = states({"source-a": pull("open", created=NOW)})
    (tmp_path / "campaigns").mkdir()
    record = StateFile(tmp_path, FILE)
    assert record.save(found)
    assert not record.save(found)
    text = (tmp_path / FILE.state_path).read_text()
    assert text.index("source-a") < text.index("source-b") < text.index("source-h")
    assert '""' not in text
    read = record.load()
    assert (read["source-a"].state, read["source-a"].since) == ("in-pr", NOW)
    (tmp_path / FILE.state_path).write_text(text[:-9])
    with pytest.raises(AirbyteCiError, match=r"campaigns/july\.state\.json is invalid"):
        record.load()


def test_members_are_all_selected_connectors() -> None:
    """No connector is lost between the waves."""
    assert isinstance(MEMBERS, Membership)
    assert sorted(member.name for member in MEMBERS.members) == NAMES
