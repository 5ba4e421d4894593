"""Moving from one base image to another: which one, the version, the row, and nothing else."""

import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.campaigns.bases import lock_fit
from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.changes.task import RequestedEntry
from airbyte_ci.campaigns.migrations.migration import plan_change
from airbyte_ci.campaigns.migrations.upgrade_base_image import MIGRATION, UpgradeOptions
from airbyte_ci.errors import ConnectorError
from tests.campaigns.repositories import CONNECTORS, commit, copied, git, task

REPOSITORY = "docker.io/airbyte/python-connector-base"
NAME = "source-weather-stations"
PATH = f"{CONNECTORS}/{NAME}/metadata.yaml"


def version(number: str, python: str, **more: object) -> dict[str, object]:
    digest = f"sha256:{number.replace('.', '').replace('-rc', '').ljust(64, '0')}"
    return {"version": number, "address": f"{REPOSITORY}:{number}@{digest}", "python": python, **more}


KNOWN = catalog.parse(
    yaml.safe_dump(
        {
            REPOSITORY: [
                version("4.1.0", "3.11"),
                version("3.9.0", "3.14"),
                version("2.2.0", "3.10", yanked="leaks"),
                version("2.1.1", "3.10", yanked="leaks too", **{"replaced-by": "2.0.0"}),
                version("2.1.0", "3.10", user="airbyte"),
                version("2.0.0", "3.10"),
                version("1.3.0", "3.9", verified=False),
                version("1.2.0", "3.9"),
                version("1.1.0", "3.9"),
            ]
        }
    ),
    "the test's catalog",
)


def address(number: str) -> str:
    return str(next(item.address for item in KNOWN.versions if item.version == number))


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return copied("fleet", tmp_path / "fleet")


def on(fleet: Path, base: str) -> None:
    """Puts the connector, made to admit Python 3.9 as well, on a base image; committed."""
    text = (fleet / PATH).read_text()
    line = next(line for line in text.splitlines() if "baseImage:" in line)
    comment = line.partition("  #")[1] + line.partition("  #")[2]
    (fleet / PATH).write_text(text.replace(line, f"{line.partition('baseImage:')[0]}baseImage: {base}{comment}"))
    project = fleet / CONNECTORS / NAME / "pyproject.toml"
    project.write_text(project.read_text().replace("^3.10,<3.14", "^3.9,<3.14"))
    commit(fleet)


def planned(
    fleet: Path,
    to: str | None = None,
    pull_request: int | None = 12,
    name: str = NAME,
    known_bases: Catalog = KNOWN,
) -> Change:
    entry = RequestedEntry(pull_request, "", date(2024, 6, 4))
    return plan_change(MIGRATION, task(fleet, name, entry, known=known_bases), UpgradeOptions(to))


@pytest.mark.parametrize(
    ("base", "to", "expected"),
    [
        (address("1.1.0"), None, "1.2.0"),
        (address("2.2.0"), None, "2.1.0"),
        (address("2.1.1"), None, "2.0.0"),
        ("airbyte/python-connector-base:1.2.0", None, "1.2.0"),
        ("airbyte/python-connector-base:1.1.0", None, "1.2.0"),
        (address("1.1.0"), "latest", "4.1.0"),
        (address("1.1.0"), "2", "2.1.0"),
        (address("2.1.0"), "1.1.0", "1.1.0"),
        (f"{REPOSITORY}:9.9.9@sha256:{'9' * 64}", "2.0.0", "2.0.0"),
    ],
)
def test_the_base_that_is_moved_to(fleet: Path, base: str, to: str | None, expected: str) -> None:
    """The newest of the major version that is not yanked; a requested version, up or down; a whole address always."""
    on(fleet, base)
    plan = planned(fleet, to)
    assert plan.base_image == address(expected)
    plan.edit.apply(fleet)
    text = (fleet / PATH).read_text()
    assert f"baseImage: {address(expected)}" in text
    assert "# a certified base: change it with airbyte-ci only" in text


def test_three_lines_change(fleet: Path) -> None:
    """The address, the version everywhere, and one more row; the version also goes up if the base goes down."""
    on(fleet, address("2.1.0"))
    plan = planned(fleet, "1.1.0")
    counts = {path.rpartition("/")[2]: (added, removed) for path, added, removed in plan.edit.counts()}
    assert counts == {"metadata.yaml": (2, 2), "pyproject.toml": (1, 1), "weather-stations.md": (1, 0)}
    assert (plan.before, plan.after) == ("1.4.2", "1.4.3")
    assert plan.changelog is not None
    assert plan.changelog.row.subject == "Go back to base image airbyte/python-connector-base:1.1.0"


def test_no_text_is_parsed_twice(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan parses each YAML and TOML text of a connector once, and a package that connectors lock alike once."""
    on(fleet, address("1.1.0"))
    lock_fit._without_wheel.cache_clear()
    parsed: list[str] = []

    def count(module: ModuleType, name: str) -> None:
        real = getattr(module, name)

        def parse(text: str, **options: object) -> object:
            parsed.append(text)
            return real(text, **options)

        monkeypatch.setattr(module, name, parse)

    count(tomllib, "loads")
    count(yaml, "parse")
    planned(fleet, "2")
    assert len(parsed) == len(set(parsed)) > 100
    packages = sum("[[package]]" in text for text in parsed)
    parsed.clear()
    planned(fleet, "2")
    assert len(parsed) < 10 < packages


def test_what_changes_with_the_base_is_told(fleet: Path) -> None:
    """Another Python, another user, and the next major version."""
    on(fleet, address("1.1.0"))
    assert planned(fleet, "2").notes == (
        "2.2.0 yanked: leaks",
        "2.1.1 yanked: leaks too",
        "Python 3.9 → 3.10",
        "user root → airbyte",
        "4.1.0 is another major version: --to 4.1.0",
    )


def test_what_was_only_sighted_is_given_by_name_and_told(fleet: Path) -> None:
    """An unverified version is never chosen; a user who requests it gets it with a note."""
    on(fleet, address("1.1.0"))
    for to in ("1.3.0", "python-connector-base:1.3.0"):
        plan = planned(fleet, to)
        assert plan.base_image == address("1.3.0")
        assert "1.3.0: its digest was only sighted, never verified" in plan.notes
    assert not any("1.2.0: its digest" in note for note in planned(fleet, "1.2.0").notes)


@pytest.mark.parametrize(("base", "is_new"), [("airbyte/python-connector-base:1.1.0", True), ("1.1.0", False)])
def test_a_readme_of_before_is_brought_up_to_date(fleet: Path, base: str, is_new: bool) -> None:
    """A tag that was written by hand may have an old README; a digest was written by this command."""
    place = fleet / CONNECTORS / NAME / "README.md"
    place.write_text("# Weather\n\n## Build\n\ndocker build . -t x\n\n## More\n")
    on(fleet, base if is_new else address(base))
    plan = planned(fleet)
    after = {change.path.rpartition("/")[2]: change.after for change in plan.edit.changes}
    assert ("README.md" in after) == is_new
    assert b"docker build" not in (after.get("README.md") or b"")


@pytest.mark.parametrize(
    ("base", "further"),
    [(version, "for another major version: upgrade_base_image --to 4.1.0") for version in ("1.2.0", "2.1.0")]
    + [("4.1.0", None)],
)
def test_the_newest_stays(fleet: Path, base: str, further: str | None) -> None:
    """On the newest of its major version there is nothing to do; a newer major version is named."""
    on(fleet, address(base))
    with pytest.raises(NotApplicable, match=f"uses python-connector-base {base} already") as refused:
        planned(fleet)
    assert refused.value.advice == further


def test_the_row_that_waits_is_filled_in(fleet: Path) -> None:
    """Without a number everything but the row; with it later only the row; the version is bumped once."""
    on(fleet, address("1.1.0"))
    git(fleet, "update-ref", "refs/remotes/origin/main", "main")
    first = planned(fleet, pull_request=None)
    assert first.row_waits
    first.edit.apply(fleet)
    commit(fleet)
    second = planned(fleet)
    assert [change.path for change in second.edit.changes] == ["docs/integrations/sources/weather-stations.md"]
    assert (second.before, second.after) == ("1.4.2", "1.4.3")
    second.edit.apply(fleet)
    with pytest.raises(NotApplicable):
        planned(fleet)
    third = planned(fleet, "2.0.0")
    assert (third.before, third.after) == ("1.4.3", "1.4.3")


@pytest.mark.parametrize(
    ("base", "to", "said"),
    [
        (f"{REPOSITORY}:9.9.9@sha256:{'9' * 64}", None, "the catalog does not have"),
        (address("1.1.0"), "2.2.0", "base image 2.2.0 is yanked: leaks"),
        (address("1.1.0"), "3.9.0", "has Python 3.14, and the connector admits"),
        (address("1.1.0"), "7", "the catalog has no base image 7"),
        (address("1.1.0"), "foo:1", "the catalog has no base image 'foo:1'"),
    ],
)
def test_what_cannot_be_used_is_refused(fleet: Path, base: str, to: str | None, said: str) -> None:
    """An unknown base, a yanked one, one with another Python: the reason is reported."""
    on(fleet, base)
    with pytest.raises(ConnectorError, match=f"^upgrading {NAME}: .*{said}"):
        planned(fleet, to)


def test_a_base_that_needs_a_later_platform_is_passed_over(fleet: Path) -> None:
    """The configured oldest platform of users applies: the reason is reported, and `--to` is refused."""
    table = fleet / ".airbyte-ci.toml"
    text = table.read_text()
    needing = KNOWN.replacing(
        *(replace(item, requires_platform="0.64") for item in KNOWN.versions if item.version == "1.2.0"),
        *(replace(item, requires_platform="0.63") for item in KNOWN.versions if item.version == "1.1.0"),
    )
    table.write_text(f'platform-version = "0.63.0"\n{text}')
    on(fleet, f"{REPOSITORY}:1.1.0")
    with pytest.raises(ConnectorError, match=r"1\.2\.0 needs the platform 0\.64 or later, and users run 0\.63\.0"):
        planned(fleet, "1.2.0", known_bases=needing)
    passed = planned(fleet, known_bases=needing)
    assert passed.base_image == address("1.1.0")
    assert "1.2.0 needs the platform 0.64 or later" in passed.notes
    table.write_text(f'platform-version = "0.64.0"\n{text}')
    assert planned(fleet, known_bases=needing).base_image == address("1.2.0")


def test_an_expired_base_is_noted_where_it_is_asked_for(fleet: Path) -> None:
    """It may be requested, with a note that it is no longer supported."""
    ended = (replace(item, supported_until=date(2024, 6, 3)) for item in KNOWN.versions if item.version == "1.1.0")
    on(fleet, address("1.2.0"))
    change = planned(fleet, "1.1.0", known_bases=KNOWN.replacing(*ended))
    assert "1.1.0 is not supported since 2024-06-03" in change.notes


def test_a_connector_with_a_dockerfile_is_to_be_migrated(fleet: Path) -> None:
    """A connector without a base image is referred to the other command."""
    with pytest.raises(NotApplicable) as caught:
        planned(fleet, name="source-parcels")
    assert "migrate_to_base_image" in str(caught.value)


def test_a_connector_without_any_gets_one_where_that_is_asked(fleet: Path) -> None:
    """A new connector, with neither a Dockerfile nor a base image, gets the newest; one with a Dockerfile does not."""
    git(fleet, "rm", "-q", f"{CONNECTORS}/source-tides/Dockerfile")
    commit(fleet)
    entry = RequestedEntry(12, "", date(2024, 6, 4))

    def given(name: str, *, set_missing: bool) -> Change:
        options = UpgradeOptions(set_missing=set_missing)
        return plan_change(MIGRATION, task(fleet, name, entry, known=KNOWN), options)

    assert given("source-tides", set_missing=True).base_image == address("4.1.0")
    for name, set_missing in (("source-tides", False), ("source-parcels", True)):
        with pytest.raises(NotApplicable):
            given(name, set_missing=set_missing)
    # A Java connector never gets a Python base image, and this catalog has no other.
    with pytest.raises(ConnectorError, match=r"no base image in docker\.io/airbyte/java-connector-base"):
        given("source-ledger", set_missing=True)
