"""Campaign files: what is read from them, and the one line for whatever is wrong."""

from datetime import date, timedelta

import pytest

from airbyte_ci.campaigns.waves import campaign_file
from airbyte_ci.campaigns.waves.campaign_file import Exclusion, Rate, WaveGate
from airbyte_ci.errors import UsageError

WHOLE = b"""
migration: upgrade_base_image
options: {to: "4.1.0", set-if-not-exists: true}
changelog: Move to the newest base image
select: base.behind > 0
waves:
  - {name: canary, connectors: [source-tides], soak: 1d}
  - {name: early, select: "data.supportLevel == 'community'", share: 25%, gate: {done: 90%, failures: 10%, floor: 1}}
  - {name: rest}
rate: {pull-requests-per-day: 7, open-pull-requests: 3, hours: 8-18, days: [mon, fri], time-zone: Europe/Berlin}
trial: [build]
automerge: true
merge-method: merge
done-when: released
state: branch
labels: [base]
exclude: [{connector: source-parcels, reason: needs a rewrite, until: 2026-12-31}]
dashboard: 12
"""


def test_every_key_is_read() -> None:
    """Each key of the schema has its value, and dates may be written without quotes."""
    found = campaign_file.parse(WHOLE, "july", "campaigns/july.yaml")
    assert (found.migration, found.options) == ("upgrade_base_image", {"to": "4.1.0", "set-if-not-exists": True})
    assert [wave.name for wave in found.waves] == ["canary", "early", "rest"]
    assert (found.waves[0].connectors, found.waves[0].soak) == (("source-tides",), timedelta(days=1))
    assert (found.waves[1].share, found.waves[1].gate) == (0.25, WaveGate(0.9, 0.1, 1))
    assert found.rate == Rate(7, 3, (8, 18), ("mon", "fri"), "Europe/Berlin")
    assert found.exclusions == (Exclusion("source-parcels", "needs a rewrite", date(2026, 12, 31)),)
    assert (found.trial, found.automerge, found.merge_method, found.done_when) == (
        ("build",),
        True,
        "merge",
        "released",
    )
    assert found.state == "branch"
    assert (found.labels, found.dashboard, found.changelog) == (("base",), 12, "Move to the newest base image")
    assert found.exclusions[0].is_active(date(2026, 12, 31))
    assert not found.exclusions[0].is_active(date(2027, 1, 1))
    read = {"migration", "options", "changelog", "select", "waves", "rate", "trial", "automerge", "merge-method"}
    read |= {"done-when", "state", "labels", "exclude", "dashboard", "hold", "closed"}
    assert campaign_file.schema()["properties"].keys() == read


def test_a_file_with_only_a_migration_has_the_defaults() -> None:
    """Only `migration` is required."""
    found = campaign_file.parse(b"migration: upgrade_dependencies", "july", "campaigns/july.yaml")
    assert (found.rate, found.waves, found.trial) == (Rate(), (), ("build", "spec", "unit"))
    assert not found.automerge
    assert found.state == "file"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "None is not of type 'object'"),
        ("[]", "[] is not of type 'object'"),
        ("{", "is not valid YAML"),
        ("options: {}", "migration is missing"),
        ("migration: other", "migration: 'other' is not one of migrate_to_base_image"),
        ("migration: bump_version\nwave: []", "unknown key wave"),
        ("migration: bump_version\nwaves: []", "waves: value is empty"),
        ("migration: bump_version\nwaves: [{name: Canary}]", "waves[0].name: 'Canary' is invalid: lowercase letters"),
        ("migration: bump_version\nwaves: [{name: a}, {name: a}]", "waves: 'a' is declared twice"),
        ("migration: bump_version\nwaves: [{name: a, connectors: [x], size: 2}]", "excludes select, share and size"),
        (
            "migration: bump_version\nwaves: [{name: a, connectors: [x]}, {name: b, connectors: [x]}]",
            "x is in a and in b",
        ),
        ("migration: bump_version\nwaves: [{name: a, share: 101%}]", "waves[0].share: '101%' is invalid: a share"),
        ("migration: bump_version\nwaves: [{name: a, soak: 1 day}]", "waves[0].soak: '1 day' is invalid: a time such"),
        ("migration: bump_version\noptions: {to: 4.1}", "options.to: 4.1 is a number; write it in quotes"),
        ("migration: bump_version\nrate: {hours: 18-8}", "rate.hours: 18-8 ends before it begins"),
        ("migration: bump_version\nrate: {time-zone: Mars/Base}", "'Mars/Base' is not a time zone"),
        ("migration: bump_version\nexclude: [{connector: x}]", "exclude[0]: reason is missing"),
        ("migration: bump_version\nexclude: [{connector: x, reason: r, until: 2026-02-30}]", "is not"),
        ("migration: bump_version\nhold: true", "hold: True is not of type 'string'"),
    ],
)
def test_mistakes_are_one_line(text: str, reason: str) -> None:
    """A wrong value is wrong usage, in one line that names the file, the place and the value."""
    with pytest.raises(UsageError) as caught:
        campaign_file.parse(text.encode(), "july", "campaigns/july.yaml")
    assert caught.value.message.startswith("campaigns/july.yaml is")
    assert reason in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("size", "accepted"), [(0, 1), (5, 1), (19, 1), (20, 2), (100, 10)])
def test_a_gate_accepts_a_share_with_a_floor(size: int, accepted: int) -> None:
    """A tenth of the wave may fail, but one connector always."""
    assert WaveGate(1.0, 0.1, 1).accepted(size) == accepted
