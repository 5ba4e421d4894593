"""Commands write their results to files for people: HTML pages and Markdown summaries."""

from pathlib import Path

from tests.e2e import console
from tests.e2e.command import PROJECT, Command


def test_check_writes_a_page_and_a_summary(run: Command, fleet: Path, tmp_path: Path) -> None:
    """Both files have the connectors with failures, whatever is printed, and folders are created."""
    html, markdown = tmp_path / "reports" / "check.html", tmp_path / "reports" / "check.md"
    result = run("--json", "connectors", "--all", "check", "--offline", f"--html={html}", f"--markdown={markdown}")
    assert result.code == 1
    assert html.read_text().startswith("<!DOCTYPE html>") and "source-parcels" in html.read_text()
    assert "| source-parcels | ❌ failed | no-dockerfile (" in markdown.read_text()
    assert len(result.out.splitlines()) == len(list((fleet / "airbyte-integrations" / "connectors").iterdir()))


def test_a_page_of_no_use_is_refused(run: Command, tmp_path: Path) -> None:
    """A build that goes on until it is interrupted has no results to write."""
    result = run("connectors", "--all", "build", "--watch", f"--html={tmp_path / 'x.html'}")
    assert (result.code, "--html" in result.err) == (2, True)


def test_the_fleets_page_has_every_connector(run: Command, fleet: Path, tmp_path: Path) -> None:
    """The page is written in addition to the list, with the connectors of the list."""
    page = tmp_path / "fleet.html"
    result = run("connectors", "list", "--format=names", f"--html={page}")
    assert result.code == 0
    names = result.out.split()
    assert names and all(f">{name}</th>" in page.read_text() for name in names)


def test_the_documentation_shows_what_is_printed(fleet: Path, tmp_path: Path) -> None:
    """The commands of docs/reports.md run in the example fleet, on a machine that built nothing."""
    console.follow(PROJECT / "docs" / "reports.md", fleet, tmp_path / "home")
    assert sorted(path.name for path in (fleet / "reports").iterdir()) == [
        "all.html",
        "check.html",
        "check.md",
        "fleet.html",
    ]
