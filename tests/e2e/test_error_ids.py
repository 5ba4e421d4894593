"""Errors with an id, as a person meets them: the id ends the message, and `explain` knows it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_ci.error_pages import PAGES
from tests.campaigns.repositories import CONNECTORS, copied, git
from tests.e2e.command import Result, airbyte_ci

PARCELS = f"{CONNECTORS}/source-parcels"
NAMED = ("connectors", "--name=source-parcels")
ZEROS = "sha256:" + "0" * 64
NO_TOKENS = {"GITHUB_TOKEN": "", "GH_TOKEN": "", "GH_ENTERPRISE_TOKEN": "", "CI_GITHUB_ACCESS_TOKEN": ""}


def _run(fleet: Path, *arguments: str) -> Result:
    home = fleet.with_name("store")
    return airbyte_ci(*arguments, cwd=fleet, home=home, env=NO_TOKENS)


def _write(path: str, text: str) -> Callable[[Path], None]:
    def change(fleet: Path) -> None:
        (fleet / path).write_text(text)

    return change


def _drop_table(fleet: Path) -> None:
    page = fleet / "docs/integrations/sources/parcels.md"
    page.write_text("".join(line for line in page.read_text().splitlines(True) if not line.startswith("|")))


def _on_github(fleet: Path) -> None:
    git(fleet, "remote", "add", "origin", "https://github.com/acme/connectors.git")


def _nothing(fleet: Path) -> None:
    """The arguments alone are wrong."""


CASES: list[tuple[str, Callable[[Path], None], tuple[str, ...]]] = [
    ("repository-not-found", _nothing, ("--repo", "/", "connectors", "list")),
    ("configuration-unknown-key", _write(".airbyte-ci.toml", "conectors = []\n"), ("connectors", "list")),
    ("selection-empty", _nothing, ("connectors", "build")),
    ("git-repository-missing", lambda fleet: shutil.rmtree(fleet / ".git"), ("connectors", "--modified", "list")),
    ("git-branch-unknown", _nothing, ("--diffed-branch=gone", "connectors", "--modified", "list")),
    ("uncommitted-changes", _write(f"{PARCELS}/Dockerfile", "FROM x\n"), (*NAMED, "migrate_to_base_image", "7")),
    ("changelog-missing", _drop_table, (*NAMED, "migrate_to_base_image", "7")),
    ("forge-token", _on_github, ("--diffed-branch=main", *NAMED, "migrate_to_base_image", "--pull-request")),
    ("base-image-missing", _nothing, (*NAMED, "build")),
    ("base-image-unknown", _nothing, (*NAMED, "migrate_to_base_image", "7", "--to=9.9.9")),
    ("base-image-without-digest", _nothing, (*NAMED, "build", "--base-image=localhost/a/b:1")),
    ("not-cached", _nothing, ("--offline", *NAMED, "build", f"--base-image=localhost/a/b@{ZEROS}")),
    ("registry-unreachable", _nothing, (*NAMED, "build", f"--base-image=localhost:1/a/b@{ZEROS}")),
    (
        "plan-of-other-version",
        _write("p.json", '{"schema": 1, "choices": {}}'),
        ("connectors", "build", "--from-plan=p.json"),
    ),
]


@pytest.mark.parametrize(("error_id", "change", "arguments"), CASES, ids=[case[0] for case in CASES])
def test_the_message_ends_with_its_id(
    tmp_path: Path, error_id: str, change: Callable[[Path], None], arguments: tuple[str, ...]
) -> None:
    """In brackets, after the reason and before the advice, which stays a command to copy."""
    fleet = copied("fleet", tmp_path / "fleet")
    change(fleet)
    found = _run(fleet, *arguments)
    assert found.code in (1, 2)
    lines = (found.out + found.err).splitlines()
    (line,) = [line for line in lines if f"[{error_id}]" in line]
    assert line.startswith("✗ ")
    assert line.endswith(f"[{error_id}]") or f" [{error_id}] → " in line


def test_json_has_the_id(tmp_path: Path) -> None:
    """Programs read it as a value of its own; the reason has only the message."""
    found = _run(copied("fleet", tmp_path / "fleet"), *NAMED, "build", "--json")
    assert found.json["errorId"] == "base-image-missing"
    assert "base-image-missing" not in found.json["reason"]


def test_explain_prints_every_error(tmp_path: Path) -> None:
    """The list has all of them; one is explained as text within 80 columns and as JSON; brackets may be copied too."""
    listed = _run(tmp_path, "explain")
    assert all(f"  {error_id} " in listed.out for error_id in PAGES)
    one = _run(tmp_path, "explain", "[lock-missing]")
    assert one.out.startswith(f"lock-missing: {PAGES['lock-missing'].title}\n")
    assert max(map(len, one.out.splitlines())) <= 80
    every = json.loads(_run(tmp_path, "explain", "--json").out)
    assert [item["id"] for item in every] == [*PAGES]
    assert _run(tmp_path, "explain", "lock-missing", "--json").json in every


def test_explain_knows_checks_and_near_ids(tmp_path: Path) -> None:
    """An id of a check prints its requirement and reason; a misspelled one names the nearest."""
    rule = _run(tmp_path, "explain", "docs-page")
    assert rule.code == 0
    assert rule.out.startswith("docs-page: The documentation page exists")
    wrong = _run(tmp_path, "explain", "lock-mising")
    assert (wrong.code, wrong.out) == (2, "")
    assert "did you mean lock-missing" in wrong.err
