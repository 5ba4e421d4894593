"""The example of CONTRIBUTING.md is a migration that works."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.campaigns.repositories import CONNECTORS, copied, git

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[2]
SECTION = (PROJECT / "CONTRIBUTING.md").read_text().partition("### Add a migration")[2].partition("\n### ")[0]
PAGE = "docs/integrations/sources/tides.md"


@dataclass(frozen=True)
class Contributed:
    """airbyte-ci with the example, and a fleet in git."""

    source: Path
    fleet: Path
    home: Path

    def run(self, *arguments: str) -> tuple[int, str]:
        """The exit code, and what is printed."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.source),
            "AIRBYTE_CI_HOME": str(self.home),
            "SOURCE_DATE_EPOCH": "1709208000",
        }
        command = [sys.executable, "-m", "airbyte_ci", "connectors", *arguments]
        done = subprocess.run(command, cwd=self.fleet, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def contributed(tmp_path: Path) -> Contributed:
    """The package with the file and the line that the page shows."""
    example, listed = re.findall(r"`(campaigns/migrations/\w+\.py)` contains", SECTION)
    module, line = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    package = tmp_path / "src/airbyte_ci"
    shutil.copytree(PROJECT / "src/airbyte_ci", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / example).write_text(module)
    table = package / listed
    table.write_text(table.read_text().replace("\n}\n", f"\n{line}}}\n"))
    return Contributed(tmp_path / "src", copied("fleet", tmp_path / "fleet"), tmp_path / "home")


def test_the_example_migrates_a_fleet(contributed: Contributed) -> None:
    """With its file and its line the command exists, and edits the metadata, the version and the changelog."""
    code, out = contributed.run("--help")
    assert (code, re.search(r"set_license +Declare a license\.", out) is not None) == (0, True)
    code, out = contributed.run("set_license", "--help")
    assert code == 0
    assert all(option in out for option in ("--license SPDX", "--changelog-text TEXT", "--dry-run", "--pull-request"))
    code, out = contributed.run("--name=source-tides", "set_license", "7", "--license=ELv2", "--dry-run")
    assert (code, git(contributed.fleet, "status", "--porcelain")) == (0, "")
    assert "+  license: ELv2" in out
    code, out = contributed.run("--all", "set_license", "7", "--license=Apache-2.0")
    assert (code, "9 licensed" in out) == (0, True), out
    changed = git(contributed.fleet, "diff", "--unified=0", "--", f"{CONNECTORS}/source-tides", PAGE)
    lines = {" ".join(line.partition(" #")[0].split()) for line in changed.splitlines() if line[1:2] not in "-+"}
    assert {line for line in lines if line[0] in "-+"} == {
        "+| 0.2.5 | 2024-02-29 | [7](https://github.com/acme/connectors/pull/7) | Declare the license |",
        *('- dockerImageTag: "0.2.4"', '+ dockerImageTag: "0.2.5"', "- license: MIT", "+ license: Apache-2.0"),
        *('-version = "0.2.4"', '+version = "0.2.5"'),
    }
    code, out = contributed.run("--name=source-tides", "set_license", "7", "--license=Apache-2.0")
    assert (code, "declares the license Apache-2.0 already" in out) == (1, True)


def test_the_example_passes_the_linter(contributed: Contributed) -> None:
    """A contributor who starts from the example starts from code that `make lint` accepts."""
    module = contributed.source / "airbyte_ci/campaigns/migrations/set_license.py"
    ruff = [f"{Path(sys.executable).parent}/ruff", "--config", str(PROJECT / "pyproject.toml")]
    for check in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run([*ruff, *check, str(module)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_is_delivered_as_every_migration(contributed: Contributed) -> None:
    """The branch has the migration's name, and the commit its text; the working tree stays as it is."""
    code, out = contributed.run("--name=source-tides", "set_license", "--license=ELv2", "--branch", "--no-changelog")
    assert code == 0, out
    assert git(contributed.fleet, "status", "--porcelain") == ""
    subject = git(contributed.fleet, "log", "-1", "--format=%s", "airbyte-ci/set-license/source-tides")
    assert subject == "source-tides: declare the license\n"
    code, out = contributed.run("set_license")
    assert (code, "cannot license: no connector is selected" in out) == (2, True)
