"""docs/campaigns.md: its commands in their order, in the example fleet."""

import re
import shlex
from pathlib import Path

import pytest

from airbyte_ci import app
from airbyte_ci.campaigns.delivery import pull_requests
from airbyte_ci.cli import main
from tests.campaigns.repositories import commit, copied, git, with_remote
from tests.campaigns.waves.hub import Hub
from tests.e2e import console
from tests.github import double
from tests.github.description import PUBLIC
from tests.github.hub import TOKEN

PAGE = Path(__file__).parents[2] / "docs/campaigns.md"
# Builds are left out here: tests/e2e/test_campaign.py has trials.
TRIAL = "trial: [build, spec, unit]"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example fleet with the page's campaign, pushed to a bare repository."""
    root = copied("fleet", tmp_path / "fleet")
    found = re.search(r"```yaml\n# (campaigns/\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found and TRIAL in found[2]
    (root / "campaigns").mkdir()
    (root / found[1]).write_text(found[2].replace(TRIAL, "trial: []"))
    commit(root)
    with_remote(root)
    variables = {
        "AIRBYTE_CI_HOME": str(tmp_path / "home"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GITHUB_REPOSITORY": "acme/connectors",
        "GITHUB_TOKEN": TOKEN,
        "COLUMNS": "100",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pull_requests, "_SECONDS_BETWEEN_WRITES", 0)
    monkeypatch.chdir(root)
    return root


def test_the_page_shows_what_happens(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each command succeeds and prints the documented output; pull requests are merged a day before a repeated run."""
    hub = Hub(remote=fleet.parent / "remote.git")
    steps = console.steps(PAGE.read_text())
    outputs = []
    seen: set[str] = set()
    with double.running(PUBLIC, hub.answer, hub.graphql) as running:
        hub.api = running.api
        monkeypatch.setenv("GITHUB_API_URL", running.api)
        monkeypatch.setattr(app, "now", lambda: hub.time)
        for step in steps:
            if step.command in seen:
                for number, pull in list(hub.pulls.items()):
                    if pull["state"] == "open":
                        hub.merge(number)
                hub.pass_time(days=1, hours=1)
            seen.add(step.command)
            git(fleet, "fetch", "-q", "origin")
            git(fleet, "merge", "-q", "--ff-only", "origin/main")
            capfd.readouterr()
            assert main.run(shlex.split(step.command)[1:]) == 0, (step.command, capfd.readouterr())
            outputs.append(capfd.readouterr().out)
    for step, output in zip(steps, outputs, strict=True):
        assert console.same(output) == console.same(step.output), step.command
