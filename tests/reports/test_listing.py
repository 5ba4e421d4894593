"""The listings: connectors with the state of their base image, and the catalogue."""

import json

import pytest
from click import unstyle

from airbyte_ci.base_images import catalogue
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
KNOWN = catalogue.parse(f"{REPOSITORY}:\n{''.join(ENTRIES)}", "x")


def address(number: str) -> str:
    return f"{REPOSITORY}:{number}@{DIGESTS[number]}"


def row(base: str | None = None, *names: str) -> listing.Row:
    options = {"connectorBuildOptions": {"baseImage": base}} if base else {}
    item = connector("source-x", names or ("setup.py",), dockerImageTag="1.2.3", supportLevel="certified", **options)
    return listing.row(item, KNOWN)


@pytest.mark.parametrize(
    ("item", "state"),
    [
        (row(None, "setup.py", "Dockerfile"), "Dockerfile"),
        (row(None, "setup.py"), "nothing to build on"),
        (row(None, "build.gradle", "Dockerfile"), "not Python"),
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
def test_the_state_says_what_is_to_do(item: listing.Row, state: str) -> None:
    """On the latest, behind by so many, or why it cannot be told; what is left over is told too."""
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
    """One line each, what is not there is a dash, and the last line counts."""
    bare = listing.row(connector("destination-long-name"), KNOWN)
    text = listing.table([row(address("4.0.0")), row(None, "setup.py", "Dockerfile"), bare], 373, color=False)
    assert text.splitlines() == [
        "CONNECTOR              LANGUAGE  LEVEL      VERSION  BASE IMAGE                   STATE",
        "source-x               python    certified  1.2.3    python-connector-base 4.0.0  latest",
        "source-x               python    certified  1.2.3    –                            Dockerfile",
        "destination-long-name  –         –          –        –                            not Python",
        "3 of 373 connectors · 1 on a base image · 1 to go",
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
    assert listing.table([], 373, color=False) == "0 of 373 connectors · 0 on a base image · 0 to go\n"


def test_the_count_says_connector_of_one() -> None:
    """The whole fleet is counted without "of"."""
    assert listing.count([row()], 1) == "1 connector · 0 on a base image · 1 to go"


def test_the_catalogue_as_a_table() -> None:
    """Newest first, each with its state and its whole address to copy."""
    lines = base_images.table(KNOWN).splitlines()
    assert lines[0].split() == ["VERSION", "PYTHON", "USER", "STATE", "ADDRESS"]
    told = {line.split()[0]: line for line in lines[1:]}
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
