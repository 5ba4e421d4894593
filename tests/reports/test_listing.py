"""The listings: connectors with the state of their base image, and the catalog."""

import json
import re
from datetime import date

import pytest
from click import unstyle

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.execution.shard import Shard
from airbyte_ci.reports import base_images, columns, listing
from tests.connectors.fleets import connector

REPOSITORY = "docker.io/airbyte/python-connector-base"
DIGESTS = {
    number: f"sha256:{letter * 64}"
    for number, letter in zip(
        ("1.0.0", "2.0.0", "3.0.0", "4.0.0", "2.1.0", "2.2.0", "5.0.0-rc.1"), "abcdef0", strict=True
    )
}
MORE = {"2.1.0": ", yanked: broken", "2.2.0": ", verified: false", "5.0.0-rc.1": ", user: airbyte"}
ENTRIES = [
    f"- {{version: {number}, address: '{REPOSITORY}:{number}@{digest}', python: '3.10'{MORE.get(number, '')}}}\n"
    for number, digest in DIGESTS.items()
]
KNOWN = catalog.parse(f"{REPOSITORY}:\n{''.join(ENTRIES)}", "x")


def address(number: str) -> str:
    return f"{REPOSITORY}:{number}@{DIGESTS[number]}"


def known(base: str | None) -> dict[str, object] | None:
    """The catalog's data about a base image."""
    version = KNOWN.find(base) if base else None
    if version is None:
        return {} if base else None
    return {
        "version": version.version,
        "behind": KNOWN.behind(base or ""),
        "yanked": bool(version.yanked),
        "repository": version.repository,
    }


def row(base: str | None = None, *names: str, name: str = "source-x", **data: object) -> listing.ListingRow:
    options = {"connectorBuildOptions": {"baseImage": base}} if base else {}
    values = {"dockerImageTag": "1.2.3", "supportLevel": "certified", **options, **data}
    return listing.row(connector(name, names or ("setup.py",), **values), lambda: known(base))


@pytest.mark.parametrize(
    ("item", "state"),
    [
        (row(None, "setup.py", "Dockerfile"), "Dockerfile"),
        (row(None, "setup.py"), "no base image"),
        (row(None, "build.gradle", "Dockerfile"), "unknown language"),
        (row(address("4.0.0")), "latest"),
        (row(address("3.0.0")), "1 behind"),
        (row(address("1.0.0")), "3 behind"),
        (row(address("1.0.0"), "setup.py", "Dockerfile"), "3 behind + Dockerfile"),
        (row(f"{REPOSITORY}:1.0.0"), "no digest"),
        (row(address("2.1.0")), "yanked"),
        (row(f"{REPOSITORY}:9.0.0@sha256:{'9' * 64}"), "unknown base image"),
        (row("not an address"), "unknown base image"),
        (row("not an address", "setup.py", "Dockerfile"), "unknown base image + Dockerfile"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_state_says_what_is_to_do(item: listing.ListingRow, state: str) -> None:
    """The latest, a number of releases behind, or why the state is unknown; omitted ones are reported too."""
    assert item.state == state


def test_a_row_for_machines() -> None:
    """The contract of `list --format json`."""
    document = row(address("4.0.0")).to_json()
    assert json.loads(json.dumps(document)) == {
        "name": "source-x",
        "language": "python",
        "supportLevel": "certified",
        "version": "1.2.3",
        "folder": "airbyte-integrations/connectors/source-x",
        "baseImage": address("4.0.0"),
        "state": "latest",
    }


def test_a_table_for_people() -> None:
    """One line each, a dash for a missing value, and the last line counts."""
    bare = listing.row(connector("destination-long-name"), dict)
    text = listing.table([row(address("4.0.0")), row(None, "setup.py", "Dockerfile"), bare], 373, color=False)
    assert text.splitlines() == [
        "CONNECTOR              LANGUAGE  LEVEL      VERSION  BASE IMAGE                   STATE",
        "source-x               python    certified  1.2.3    python-connector-base 4.0.0  latest",
        "source-x               python    certified  1.2.3    –                            Dockerfile",
        "destination-long-name  –         –          –        –                            unknown language",
        "3 of 373 connectors · 1 on a base image · 1 up to date · 1 to migrate",
    ]


def test_colour_changes_no_text() -> None:
    """With colour the same words in the same columns."""
    rows = [row(address("4.0.0")), row(None, "build.gradle")]
    plain, colored = (listing.table(rows, 2, color=color) for color in (False, True))
    assert "\x1b[" not in plain
    assert "\x1b[" in colored
    assert unstyle(colored) == plain


def test_nothing_selected_is_only_counted() -> None:
    """No empty table."""
    assert (
        listing.table([], 373, color=False) == "0 of 373 connectors · 0 on a base image · 0 up to date · 0 to migrate\n"
    )


def test_the_count_says_connector_of_one() -> None:
    """The whole fleet is counted without "of"."""
    assert listing.count([row()], 1) == "1 connector · 0 on a base image · 0 up to date · 1 to migrate"


def test_the_catalog_as_a_table() -> None:
    """Newest first, each with its state and its whole address to copy."""
    users = {(REPOSITORY, "4.0.0"): ["source-x"]}
    lines = base_images.table(KNOWN.versions, users, date(2024, 1, 1), 2).splitlines()
    assert lines[0].split() == ["VERSION", "PYTHON", "USER", "STATE", "USED", "BY", "ADDRESS"]
    told = {line.split()[0]: line for line in lines[1:-1] if not line.startswith("·")}
    # Text without a column follows below: why a version was withdrawn.
    assert [line.split()[1:3] for line in lines if line.startswith("·")] == [["2.1.0", "yanked:"]]
    assert lines[-1] == "7 versions · 1 connector on them · 2 on images that are not in the catalog"
    assert list(told) == ["5.0.0-rc.1", "4.0.0", "3.0.0", "2.2.0", "2.1.0", "2.0.0", "1.0.0"]
    assert "pre-release" in told["5.0.0-rc.1"]
    assert "airbyte" in told["5.0.0-rc.1"].split()
    assert "sighted only" in told["2.2.0"]
    assert "yanked" in told["2.1.0"]
    assert told["4.0.0"].split()[3] == "released"
    assert told["4.0.0"].endswith(address("4.0.0"))


def test_columns_are_aligned() -> None:
    """Every column begins at one place, and no line ends in blanks."""
    assert columns.lines([("a", "b"), ("long", ""), ("", "x")]) == "a     b\nlong\n      x\n"


# --- for machines --------------------------------------------------------------------------------

FLEET = [
    row(name="source-a", dockerImageTag="1.2.10", ab_internal={"ql": 400}, supportLevel=None),
    row(name="source-b", dockerImageTag="1.2.9", tags=["x"]),
    row(address("1.0.0"), name="source-c", dockerImageTag="1.3.0-rc.1"),
    row(address("4.0.0"), name="source-d", dockerImageTag="1.3.0", ab_internal={"ql": 100}),
]


@pytest.mark.parametrize(
    ("place", "order"),
    [
        ("name", "abcd"),
        ("-name", "dcba"),
        ("version", "bacd"),
        ("-version", "dcab"),
        ("base.behind", "dcab"),
        ("data.ab_internal.ql", "dabc"),
        ("-ab_internal.ql", "adbc"),
        ("supportLevel", "bcda"),
    ],
)
def test_an_order(place: str, order: str) -> None:
    """By any field, versions as versions; missing values are last either way."""
    assert "".join(item.name[-1] for item in listing.ordered(FLEET, place)) == order


def test_counts() -> None:
    """The most frequent first; missing values are counted, and lists are supported."""
    assert listing.counted(FLEET, "supportLevel") == (("certified", 3), (None, 1))
    assert listing.counted(FLEET, "data.tags") == ((None, 3), ('["x"]', 1))
    table = listing.counts_table(listing.counted(FLEET, "supportLevel"), "supportLevel")
    assert table == "SUPPORTLEVEL  CONNECTORS\ncertified     3\n–             1\n"


def test_comma_separated_values() -> None:
    """A header, one line each, nothing for what is not there; a comma in a value is quoted."""
    odd = row(name="source-e", dockerImageTag='a,"b"')
    lines = listing.to_csv([FLEET[0], odd]).splitlines()
    assert lines[0] == "name,language,supportLevel,version,folder,baseImage,state"
    assert lines[1] == "source-a,python,,1.2.10,airbyte-integrations/connectors/source-a,,no base image"
    assert '"a,""b"""' in lines[2]


@pytest.mark.parametrize(
    ("shards", "jobs"),
    [(None, ["a", "b", "c", "d"]), (1, ["a b c d"]), (3, ["2", "1", "1"]), (9, ["1", "1", "1", "1"])],
)
def test_a_matrix(shards: int | None, jobs: list[str]) -> None:
    """One line; a job for each connector, or the requested number of nearly equal, non-empty jobs: those of --shard."""
    text = listing.matrix(FLEET, shards)
    assert text.count("\n") == 1
    found = json.loads(text)["include"]
    names = [item["connector"].replace("source-", "") for item in found]
    assert jobs in (names, [str(len(name.split())) for name in names])
    for item in found if shards else ():
        selected = Shard.parse(item["shard"]).select(FLEET, lambda row: row.name)
        assert item["connector"].split() == [row.name for row in selected]
    assert listing.matrix([], shards) == '{"include": []}\n'


def test_the_count_is_that_of_the_rows() -> None:
    """Counting over `--json` by the guide's definition gives the same result, for every kind of row."""
    addresses = (None, "not an address", f"{REPOSITORY}:1.0.0", *map(address, DIGESTS), address("4.0.0")[:-1])
    files = (("setup.py",), ("setup.py", "Dockerfile"), ("build.gradle",), ("build.gradle", "Dockerfile"), ())
    rows = [row(base, *names) for base in addresses for names in files]
    counts = {"on": 0, "current": 0, "left": 0}
    for item in json.loads(listing.to_json(rows)):
        is_pinned = re.search("@sha256:[0-9a-f]{64}$", item["baseImage"] or "") is not None
        is_migrated = is_pinned and "Dockerfile" not in item["state"]
        counts["on"] += is_migrated
        counts["current"] += is_migrated and item["state"] == "latest"
        counts["left"] += item["language"] == "python" and not is_migrated
    assert listing.count(rows, len(rows)) == (
        f"{len(rows)} connectors · {counts['on']} on a base image · {counts['current']} up to date · "
        f"{counts['left']} to migrate"
    )
    assert all(counts.values())
