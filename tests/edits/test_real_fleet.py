"""The edits over a real fleet: what a migration changes in 292 connectors, and nothing else."""

import difflib
import re
from collections import Counter

import yaml

from airbyte_ci.edits.changelog import Row, has_row, insert_row, rows
from airbyte_ci.edits.toml_text import get_string, set_string
from airbyte_ci.edits.versions import bump, compare, is_semver
from airbyte_ci.edits.yaml_text import insert_scalar, set_scalar, upsert_scalar
from airbyte_ci.errors import EditRefused

OPTIONS = ["data", "connectorBuildOptions", "baseImage"]
TAG = ["data", "dockerImageTag"]
BASE_IMAGE = "docker.io/airbyte/python-connector-base:1.1.0@sha256:" + 8 * "bd98f650"
URL = "https://github.com/airbytehq/airbyte/pull/{number}"


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """Added and removed lines; line ends belong to lines."""
    lines = list(difflib.ndiff(before.split("\n"), after.split("\n")))
    return [line[2:] for line in lines if line[0] == "+"], [line[2:] for line in lines if line[0] == "-"]


def test_a_migration_changes_three_lines_of_metadata(python_connectors: dict[str, str]) -> None:
    """Two lines are added and the version's line changes (the base image's, where there is one already)."""
    shapes: Counter[tuple[int, int]] = Counter()
    for folder, text in python_connectors.items():
        before = yaml.load(text, yaml.CBaseLoader)
        version = bump(before["data"]["dockerImageTag"], "patch")
        result = set_scalar(upsert_scalar(text, OPTIONS, BASE_IMAGE), TAG, version)
        added, removed = changed(text, result)
        shapes[len(added), len(removed)] += 1
        assert f"  dockerImageTag: {version}" in added, folder
        assert f"    baseImage: {BASE_IMAGE}" in added, folder
        before["data"]["dockerImageTag"] = version
        before["data"].setdefault("connectorBuildOptions", {})["baseImage"] = BASE_IMAGE
        assert yaml.load(result, yaml.CBaseLoader) == before, folder
        assert re.findall("#.*", result) == re.findall("#.*", text), folder
        assert set_scalar(insert_scalar(result, OPTIONS, BASE_IMAGE), TAG, version) == result, folder
    assert shapes == {(3, 1): 288, (2, 2): 4}


def test_a_bump_changes_one_line_of_pyproject(pyprojects: dict[str, str]) -> None:
    """The version that poetry reads is bumped in its line, regardless of other versions in the file."""
    for path, text in pyprojects.items():
        old = get_string(text, ["tool", "poetry", "version"])
        assert old is not None, path
        result = set_string(text, ["tool", "poetry", "version"], bump(old, "patch"))
        assert changed(text, result) == ([f'version = "{bump(old, "patch")}"'], [f'version = "{old}"']), path
    assert len(pyprojects) == 62


def test_a_row_is_one_line_more(pages: dict[str, str]) -> None:
    """Every page with a changelog table takes the row at its newest end; the others are refused."""
    refusals: Counter[str] = Counter()
    taken = 0
    for path, page in pages.items():
        try:
            versions = [row.version for row in rows(page) if is_semver(row.version)]
            row = Row(bump(newest(versions), "patch"), "2023-10-18", 31543, "Base image migration")
            result = insert_row(page, row, default_url=URL)
        except EditRefused as refusal:
            refusals[refusal.message] += 1
            continue
        taken += 1
        added, removed = changed(page, result)
        assert (len(added), removed) == (1, []), path
        assert (rows(result)[0] == row) != (rows(result)[-1] == row), path
        assert has_row(result, row.version), path
        assert insert_row(result, row, default_url=None) == result, path
        assert result.endswith("\n") == page.endswith("\n"), path
    assert taken == 360
    assert refusals == {"the page has no changelog table": 14}


def newest(versions: list[str]) -> str:
    """The greatest version, found the slow way."""
    return next(one for one in versions if all(compare(one, other) >= 0 for other in versions))
