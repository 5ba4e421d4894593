"""The campaigns as commands: what they print, write and end with."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from airbyte_ci.campaigns.migrations.table import MIGRATIONS
from airbyte_ci.cli import main
from airbyte_ci.cli.connectors.group import connectors
from tests.campaigns.repositories import CONNECTORS, commit, copied, git, snapshot

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return copied("fleet", tmp_path / "fleet")


@pytest.fixture
def run(fleet: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """A command of `connectors` in the example fleet, on a day in 2024: exit code, stdout, stderr."""
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1709208000")
    monkeypatch.chdir(fleet)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main.run([*arguments])
        return code, *capfd.readouterr()

    return call


def test_a_dry_run_a_plan_and_a_run_are_the_same(run: Run, fleet: Path, tmp_path: Path) -> None:
    """The diff, the plan applied and the real run leave the same files; the first two leave none by themselves."""
    command = ("connectors", "--all", "migrate_to_base_image", "7")
    before = snapshot(fleet)
    code, diff, _ = run(*command, "--dry-run")
    assert (code, snapshot(fleet)) == (0, before)
    code, out, _ = run(*command, "--plan", str(tmp_path / "plan.jsonl"))
    assert (code, snapshot(fleet)) == (0, before)
    assert f"next: airbyte-ci apply {tmp_path / 'plan.jsonl'}" in out
    assert run(*command)[0] == 0
    by_run = snapshot(fleet)
    assert by_run != before
    for other in ("diff", "plan"):
        git(fleet, "stash", "-qu")
        git(fleet, "stash", "drop", "-q")
        assert snapshot(fleet) == before
        if other == "diff":
            subprocess.run(["git", "apply", "-"], input=diff, text=True, check=True, cwd=fleet)
        else:
            code, shown, _ = run("apply", str(tmp_path / "plan.jsonl"), "--dry-run")
            assert (code, shown) == (0, diff)
            assert run("apply", str(tmp_path / "plan.jsonl"))[0] == 0
        assert snapshot(fleet) == by_run
    code, out, _ = run("apply", str(tmp_path / "plan.jsonl"))
    assert code == 0
    assert "4 connectors: 0 applied · 4 skipped" in out


def test_a_second_run_changes_nothing(run: Run, fleet: Path) -> None:
    """Skipped with the reason; named, it is a failure."""
    assert run("connectors", "--all", "migrate_to_base_image", "7")[0] == 0
    before = snapshot(fleet)
    code, out, _ = run("connectors", "--all", "migrate_to_base_image", "7")
    assert code == 0
    assert "9 connectors: 0 migrated · 9 skipped" in out
    code, out, _ = run("connectors", "--name=source-tides", "migrate_to_base_image", "7")
    assert code == 1
    assert "migrated already" in out
    assert snapshot(fleet) == before


def test_no_changelog_prints_the_row(run: Run) -> None:
    """The row to paste, as the page would have it."""
    code, out, _ = run("connectors", "--name=source-tides", "migrate_to_base_image", "--no-changelog")
    assert code == 0
    assert "! add to docs/integrations/sources/tides.md: | 0.2.5   | 2024-02-29 | [PR_NUMBER](https://github" in out


def test_results_for_machines(run: Run) -> None:
    """One object a line, with what was carried over and what waits."""
    code, out, _ = run("connectors", "--language=python", "migrate_to_base_image", "--json", "--dry-run")
    assert code == 0
    found = {item["name"]: item for item in map(json.loads, out.splitlines())}
    assert found["source-parcels"]["carriedOver"] == ["ENV CODE_PATH → build_customization.yaml"]
    assert found["source-parcels"]["changelogRowWaits"]
    assert found["source-parcels"]["diff"].startswith("diff --git")
    assert found["source-exchange-rates-archive"]["status"] == "skipped"


@pytest.mark.parametrize(
    "words", [("7", "New stream"), ("New stream", "--pr-number=7"), ("New stream", "--pull-request-number", "7")]
)
def test_a_bump_as_scripts_call_it(run: Run, fleet: Path, words: tuple[str, ...]) -> None:
    """The number before the text, or as an option."""
    code, out, _ = run("connectors", "--name=source-tides", "bump-version", "minor", *words)
    assert (code, "0.2.4 → 0.3.0" in out) == (0, True)
    assert "| 0.3.0   | 2024-02-29 | [7](" in (fleet / "docs/integrations/sources/tides.md").read_text()


def test_an_upgrade_of_the_fleet(run: Run, fleet: Path) -> None:
    """Outdated ones move within their major version; the others report why not."""
    path = fleet / CONNECTORS / "source-weather-stations/metadata.yaml"
    text = path.read_text()
    at = text.index("baseImage: ") + len("baseImage: ")
    path.write_text(text[:at] + "airbyte/python-connector-base:2.0.0" + text[text.index("\n", at) :])
    commit(fleet)
    code, out, _ = run("connectors", "--all", "upgrade_base_image", "7")
    assert code == 0
    assert "python-connector-base:2.0.0@sha256:" in path.read_text()
    assert "9 connectors: 3 upgraded · 6 skipped" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["connectors", "migrate_to_base_image", "7"], 2, "cannot migrate: no connector is selected"),
        (
            ["connectors", "--all", "migrate_to_base_image", "7", "--pr-number=8"],
            2,
            "two different pull requests are given: 7 and 8",
        ),
        (["connectors", "--all", "migrate_to_base_image", "seven"], 2, "seven"),
        (["connectors", "--all", "bump_version", "patch"], 2, "bump_version takes BUMP [PR_NUMBER] CHANGELOG_ENTRY"),
        (["connectors", "--all", "bump_version", "path", "text"], 2, "unknown bump 'path'"),
        (
            ["connectors", "--all", "migrate_to_base_image", "--plan=/nonexistent/p"],
            2,
            "cannot write the plan /nonexistent/p",
        ),
        (["apply", "/dev/null"], 1, "reading the plan /dev/null: it is empty → make the plan again"),
        (["connectors", "--all", "migrate_to_base_image", "--to="], 2, "--to is empty"),
        (["connectors", "--all", "upgrade_base_image", "5", "--to", ""], 2, "--to is empty"),
        (
            ["connectors", "--all", "bump_version", "patch", "1", ""],
            2,
            "the changelog entry must be one non-empty line",
        ),
        (["connectors", "--all", "upgrade_base_image", "--changelog-text", "a\nb"], 2, "must be one non-empty line"),
        (["apply", "/nonexistent"], 2, "/nonexistent"),
        (["--offline", "connectors", "--all", "upgrade_dependencies"], 2, "--offline was given"),
    ],
)
def test_wrong_usage(run: Run, fleet: Path, arguments: list[str], code: int, said: str) -> None:
    """One clear line, and nothing is changed."""
    before = snapshot(fleet)
    ended, out, err = run(*arguments)
    assert said in out + err
    assert (ended, snapshot(fleet)) == (code, before)


def test_dependencies_without_their_tool(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing tool is named, with the installation; nothing to refresh is a skip."""
    git_only = tmp_path / "bin"
    git_only.mkdir()
    (git_only / "git").symlink_to("/usr/bin/git")
    monkeypatch.setenv("PATH", str(git_only))
    code, out, _ = run("connectors", "--name=source-tides", "--name=source-ledger", "upgrade_dependencies")
    assert code == 1
    assert "source-tides: poetry.lock needs poetry, which is not installed" in out
    assert "source-ledger has no lock to upgrade" in out


def test_a_migration_takes_what_its_original_took(run: Run, fleet: Path) -> None:
    """--bump, which the original did not use either, is reported to have no effect; --changelog requires the entry."""
    code, _, err = run(
        *("connectors", "--name=source-tides", "migrate_to_base_image", "7", "--bump=minor", "--changelog", "--dry-run")
    )
    assert (code, "0.2.4 → 0.2.5" in err) == (0, True)
    assert [line.partition(":")[0] for line in err.splitlines() if "no effect" in line] == ["! --bump has no effect"]


@pytest.mark.parametrize("setting", ["changelog = false", "changelog = { bump_version = false }"])
def test_without_changelogs_nothing_waits_for_a_number(run: Run, fleet: Path, setting: str) -> None:
    """With `changelog = false`, versions are bumped without a text, no page is changed, and no row is required."""
    table = fleet / ".airbyte-ci.toml"
    table.write_text(f"{setting}\n{table.read_text()}")
    code, out, err = run("connectors", "--name=source-tides", "bump_version", "patch")
    assert (code, err) == (0, "")
    assert "0.2.4 → 0.2.5" in out
    assert "changelog" not in out
    assert "PR_NUMBER" not in out
    assert {Path(path).name for path in changed(fleet)} == {".airbyte-ci.toml", "metadata.yaml", "pyproject.toml"}
    git(fleet, "checkout", "-q", "--", CONNECTORS)
    code, out, _ = run("connectors", "--name=source-tides", "migrate_to_base_image", "7")
    assert code == 0
    assert any(path.startswith("docs/") for path in changed(fleet)) == ("bump_version" in setting)
    git(fleet, "checkout", "-q", "--", CONNECTORS)
    code, out, _ = run("connectors", "--name=source-tides", "bump_version", "--changelog", "patch", "7", "What changed")
    assert code == 0
    assert any(path.startswith("docs/") for path in changed(fleet))


def test_a_bump_without_a_text_needs_no_changelog(run: Run) -> None:
    """If a changelog is kept, the text may be missing only with --no-changelog, and then no row is printed."""
    code, _, err = run("connectors", "--name=source-tides", "bump_version", "patch")
    assert code == 2
    assert "--no-changelog" in err
    code, out, _ = run("connectors", "--name=source-tides", "bump_version", "patch", "--no-changelog")
    assert code == 0
    assert "| " not in out


def changed(fleet: Path) -> list[str]:
    return git(fleet, "diff", "--name-only").split()


def test_each_command_that_writes_entries_can_be_switched_off() -> None:
    """The configuration's `changelog` table has exactly the commands that take --no-changelog."""
    context = click.Context(connectors)
    taking = {
        name
        for name in connectors.list_commands(context)
        if (command := connectors.get_command(context, name))
        and any("--no-changelog" in option.secondary_opts for option in command.params)
    }
    assert taking == {*MIGRATIONS}


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (("--spec-only",), 2, "--spec-only need a proof"),
        (("--timeout=5",), 2, "--timeout and --spec-only need a proof"),
        (("--prove=",), 2, "--prove is empty"),
        (("--prove", "--spec-only", "--live"), 2, "--spec-only excludes the options of check, discover and read"),
        (("--prove", "--config=list.json"), 2, "cannot use list.json as a configuration: it is not a JSON object"),
        (("--prove", "--name=source-weather-stations", "--config=config.json"), 2, "are for one connector"),
        (
            ("--prove",),
            1,
            "cannot prove source-tides: airbyte-integrations/connectors/source-tides/secrets/config.json",
        ),
        (("--prove", "--config=config.json"), 1, "integration_tests/configured_catalog.json: it selects no stream"),
    ],
)
def test_what_cannot_prove_a_change_is_one_line(
    run: Run, fleet: Path, options: tuple[str, ...], code: int, reason: str
) -> None:
    """Options without a proof, for several connectors, or with unusable files end before anything is built."""
    (fleet / "list.json").write_text("[]")
    (fleet / "config.json").write_text("{}")
    folder = fleet / CONNECTORS / "source-tides"
    for place, text in (
        ("secrets/config.json", "[]"),
        ("integration_tests/configured_catalog.json", '{"streams": []}'),
    ):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(text)
    before = snapshot(fleet)
    ended, out, err = run("connectors", "--name=source-tides", "migrate_to_base_image", "7", *options)
    assert (ended, reason in out + err) == (code, True), out + err
    assert snapshot(fleet) == before
