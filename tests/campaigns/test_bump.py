"""Versions of a connector: what a bump leads to, and where the version is written."""

from datetime import date
from pathlib import Path

import pytest

from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.changes.task import RequestedEntry
from airbyte_ci.campaigns.migrations import bump_version
from airbyte_ci.campaigns.migrations.bump_version import BumpOptions
from airbyte_ci.campaigns.migrations.migration import plan_change
from airbyte_ci.errors import EditRefused, UsageError
from tests.campaigns.repositories import CONNECTORS, commit, copied, git, task


@pytest.mark.parametrize(
    ("current", "released", "kind", "rc", "expected"),
    [
        ("1.2.3", None, "patch", False, "1.2.4"),
        ("1.2.3", "1.2.3", "minor", False, "1.3.0"),
        ("1.2.3", "1.2.3", "major", False, "2.0.0"),
        ("1.2.4", "1.2.3", "patch", False, "1.2.4"),
        ("1.2.4", "1.2.3", "minor", False, "1.3.0"),
        ("1.3.0", "1.2.3", "patch", False, "1.3.0"),
        ("2.0.0", "1.2.3", "minor", False, "2.0.0"),
        ("1.2.3", "not one", "patch", False, "1.2.4"),
        ("1.2.3", "1.2.3", "minor", True, "1.3.0-rc.1"),
        ("1.3.0-rc.1", "1.2.3", "minor", False, "1.3.0"),
        ("1.2.3", "1.2.3", "rc", False, "1.2.4-rc.1"),
        ("1.2.4-rc.1", "1.2.3", "rc", False, "1.2.4-rc.2"),
        ("1.2.4-rc.2", "1.2.3", "promote", False, "1.2.4"),
        ("1.2.3", "1.2.3", "version:4.0.0", False, "4.0.0"),
        ("1.2.5", "1.2.3", "version:1.2.4", False, "1.2.4"),
    ],
)
def test_next_versions(current: str, released: str | None, kind: str, rc: bool, expected: str) -> None:
    """Counted from what is released; a branch that is there already, or further, stays."""
    assert bump_version.next_version(current, released, kind, rc=rc) == expected


@pytest.mark.parametrize(
    ("current", "kind", "said"),
    [
        ("1.2.3", "promote", "not a release candidate"),
        ("1.2.3", "version:1.0.0", "is not above"),
        ("1.2", "rc", "semantic"),
    ],
)
def test_versions_that_cannot_be(current: str, kind: str, said: str) -> None:
    """Nothing to promote, not higher than what is released, or no version."""
    with pytest.raises(EditRefused, match=said):
        bump_version.next_version(current, "1.2.3", kind)


@pytest.mark.parametrize("kind", ["path", "version:", "version:1.2", "Patch", ""])
def test_a_bump_that_is_none_is_wrong_usage(kind: str) -> None:
    """The kinds are listed."""
    with pytest.raises(UsageError, match="patch, minor, major, rc, promote") as caught:
        BumpOptions(kind)
    assert caught.value.advice is not None


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return copied("fleet", tmp_path / "fleet")


def planned(fleet: Path, kind: str, name: str = "source-tides") -> Change:
    entry = RequestedEntry(7, "New stream", date(2024, 6, 4))
    return plan_change(bump_version.MIGRATION, task(fleet, name, entry), BumpOptions(kind))


def test_everywhere_it_is_written(fleet: Path) -> None:
    """metadata.yaml, the registries that repeat it, pyproject.toml, the label of a Dockerfile that had it, the page."""
    folder = fleet / CONNECTORS / "source-tides"
    dockerfile = (folder / "Dockerfile").read_text().replace("version=0.2.3", "version=0.2.4")
    (folder / "Dockerfile").write_text(dockerfile)
    commit(fleet)
    planned(fleet, "minor").edit.apply(fleet)
    assert (folder / "Dockerfile").read_text() == dockerfile.replace("version=0.2.4", "version=0.3.0")
    assert (folder / "metadata.yaml").read_text().count('"0.3.0"') == 2
    assert 'version = "0.3.0"' in (folder / "pyproject.toml").read_text()
    assert "| 0.3.0   | 2024-06-04 |" in (fleet / "docs/integrations/sources/tides.md").read_text()


def test_a_second_bump_of_a_branch_changes_nothing(fleet: Path) -> None:
    """The same bump again has nothing to do; a greater one starts from the released version."""
    git(fleet, "update-ref", "refs/remotes/origin/main", "main")
    planned(fleet, "patch").edit.apply(fleet)
    commit(fleet)
    with pytest.raises(NotApplicable, match=r"is at 0\.2\.5 already, above 0\.2\.4"):
        planned(fleet, "patch")
    assert planned(fleet, "major").after == "1.0.0"


def test_a_connector_that_is_new_on_the_branch_is_above_already(fleet: Path) -> None:
    """It was never released, so its first version needs no bump; only its row may be missing."""
    git(fleet, "update-ref", "refs/remotes/origin/main", "main")
    git(fleet, "checkout", "-q", "-b", "work")
    git(fleet, "mv", f"{CONNECTORS}/source-tides", f"{CONNECTORS}/source-waves")
    commit(fleet)
    with pytest.raises(NotApplicable, match=r"is at 0\.2\.4 already"):
        planned(fleet, "patch", "source-waves")


def test_the_lock_of_uv_moves_along(fleet: Path) -> None:
    """A uv lock repeats the project's own version, and only that changes in it."""
    folder = fleet / CONNECTORS / "source-tides"
    own = '[[package]]\nname = "source-tides"\nversion = "0.2.4"\nsource = { virtual = "." }\n'
    other = '[[package]]\nname = "x"\nversion = "0.2.4"\nsource = { registry = "https://pypi.org/simple" }\n'
    (folder / "uv.lock").write_text(f"version = 1\n\n{other}\n{own}")
    commit(fleet)
    planned(fleet, "patch").edit.apply(fleet)
    assert (folder / "uv.lock").read_text() == f"version = 1\n\n{other}\n{own}".replace(
        own, own.replace("0.2.4", "0.2.5")
    )
