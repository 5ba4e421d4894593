"""The real fleet of October 2023, checked."""

import json
from collections import Counter
from pathlib import Path

import pytest

from airbyte_ci.cli import main
from tests.checks.test_metadata_schema import assert_valid
from tests.connectors import fleets


def test_what_the_original_validated_is_valid(tmp_path: Path) -> None:
    """All 373 connectors' metadata, by the published schema."""
    fleets.unpacked(tmp_path)
    assert assert_valid(tmp_path) == 373


def test_every_page_with_its_row_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two connectors of 373 have no row for their version: one page is missing, one has none of its own."""
    fleets.unpacked(tmp_path, "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(tmp_path / "home"))
    only = ("--only=docs-page", "--only=changelog-row", "--only=version-semver", "--only=metadata-schema")
    assert main.run(["connectors", "--all", "check", "--offline", "--json", *only]) == 0
    items = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    failed = {(item["name"], check["id"]) for item in items for check in item["checks"] if check["status"] == "failed"}
    assert failed == {("source-appstore-singer", "docs-page"), ("source-salesforce-singer", "changelog-row")}
    statuses = Counter(check["status"] for item in items for check in item["checks"])
    assert statuses == {"ok": 373 * 4 - 3, "failed": 2, "skipped": 1}
