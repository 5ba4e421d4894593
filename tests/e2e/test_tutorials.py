"""The tutorials: a newcomer who runs every command gets what the page shows."""

from pathlib import Path

import pytest

from tests.e2e import console
from tests.e2e.conftest import PROJECT, Base

pytestmark = pytest.mark.slow


@pytest.fixture
def _committer(monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "newcomer")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "newcomer@example.com")


@pytest.mark.usefixtures("_committer")
def test_a_connector_is_written_and_published(tmp_path: Path, base: Base, home: Path, registry: str) -> None:
    """From an empty folder to a verified image in a registry; the base image of the tests is the page's."""
    assert base.address
    console.follow(PROJECT / "docs/tutorial.md", tmp_path, home, {"127.0.0.1:5000": registry, "~/": f"{tmp_path}/"})


@pytest.mark.usefixtures("_committer")
def test_a_fleet_is_moved_over(fleet: Path, home: Path, base: Base) -> None:
    """From a repository with Dockerfiles to branches on a base image; the base image of the tests is the page's."""
    assert base.address
    console.follow(PROJECT / "docs/tutorial-fleet.md", fleet, home)
