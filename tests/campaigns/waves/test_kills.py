"""Runs of a campaign that are killed after each effect on GitHub and git, and two runs at once."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.campaigns.delivery import wording
from airbyte_ci.cli import main
from tests.campaigns.repositories import copied, git
from tests.campaigns.waves.hub import Hub, prepare_fleet, serving
from tests.github.description import Description
from tests.github.double import Answer, Request

pytestmark = pytest.mark.slow
CONNECTOR, OTHER = "source-newsfeed", "source-exchange-rates-archive"
CAMPAIGN = f"""migration: bump_version
options: {{bump: patch}}
changelog: New terms
trial: []
automerge: true
state: branch
labels: [terms]
select: name == '{CONNECTOR}'
"""
# More than the effects of any command here.
MOST = 12
HOOK = """#!/bin/sh
left=$(($(cat {folder}/left) - 1))
echo $left > {folder}/left
if [ $left -eq 0 ]; then kill -9 $(cat {folder}/victim); fi
"""


@dataclass
class Deadly(Hub):
    """Kills a process after so many effects: answers of GitHub, and pushes that the remote accepted."""

    folder: Path = Path()
    turn: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, left: int, victim: int) -> None:
        (self.folder / "victim").write_text(str(victim))
        (self.folder / "left").write_text(str(left))

    def strike(self) -> None:
        left = int((self.folder / "left").read_text()) - 1
        (self.folder / "left").write_text(str(left))
        if left == 0:
            os.kill(int((self.folder / "victim").read_text()), signal.SIGKILL)

    def answer(self, request: Request, known: Description) -> Answer | None:
        with self.turn:
            found = super().answer(request, known)
            self.strike()
            return found

    def graphql(self, body: Any) -> Any:
        with self.turn:
            found = super().graphql(body)
            self.strike()
            return found


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example fleet with a campaign for each effect after which a run is killed."""
    root = copied("fleet", tmp_path / "fleet")
    (root / "campaigns").mkdir()
    for number in range(MOST + 1):
        (root / f"campaigns/kill-{number}.yaml").write_text(CAMPAIGN)
    both = CAMPAIGN.replace(f"name == '{CONNECTOR}'", f"name in ('{CONNECTOR}', '{OTHER}')")
    (root / "campaigns/twice.yaml").write_text(both)
    prepare_fleet(root, tmp_path / "home", monkeypatch, (CONNECTOR,))
    return root


@pytest.fixture
def hub(tmp_path: Path, fleet: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deadly]:
    state = Deadly(remote=tmp_path / "remote.git", folder=tmp_path)
    state.arm(-1, 0)
    hook = state.remote / "hooks/post-receive"
    hook.write_text(HOOK.format(folder=tmp_path))
    hook.chmod(0o755)
    with serving(state, monkeypatch):
        yield state


Start = Callable[..., int]


@pytest.fixture
def start(hub: Deadly) -> Start:
    """Starts a command in a process of its own, which is killed after so many effects (0: never); gives its pid."""

    def call(*arguments: str, kill_after: int = 0, folder: Path | None = None) -> int:
        ready, go = os.pipe()
        child = os.fork()
        if child == 0:
            code = 99
            try:
                os.read(ready, 1)
                os.chdir(folder or ".")
                code = main.run(["campaign", *arguments])
            finally:
                os._exit(code)
        hub.arm(kill_after, child)
        os.write(go, b"x")
        os.close(ready)
        os.close(go)
        return child

    return call


def update(fleet: Path) -> None:
    """Updates the clone, as CI does before each run."""
    git(fleet, "fetch", "-q", "origin")
    git(fleet, "reset", "-q", "--hard", "origin/main")


def code_of(child: int) -> int:
    """The exit code; negative for a process that was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def pulls_of(hub: Deadly, campaign: str) -> list[dict[str, Any]]:
    """The pull requests of a campaign, with what is on their branches, without what differs between campaigns."""
    found = []
    for number, pull in hub.pulls.items():
        if f"/{campaign}/" not in pull["branch"]:
            continue
        head = hub.head(pull)
        text = git(hub.remote, "show", head)
        assert git(hub.remote, "rev-list", "--count", f"main..{head}") == "1\n"
        assert f"pull/{number})" in text
        kept = {name: pull[name] for name in ("title", "base", "draft", "state", "labels", "merged_at")}
        # The hidden comment that a draft waits for its number is removed last.
        kept["body"] = pull["body"].replace(f"\n{wording._UNNUMBERED}", "")
        found.append({**kept, "diff": text.partition("\ndiff ")[2].replace(str(number), "N").splitlines()[1:]})
    return found


def recorded(hub: Deadly, campaign: str) -> dict[str, Any]:
    """The recorded states by connector."""
    branch = f"airbyte-ci/campaign-state/{campaign}"
    document = json.loads(git(hub.remote, "show", f"{branch}:campaigns/{campaign}.state.json"))
    return {item["connector"]: item["state"] for item in document["connectors"]}


def without_index(pulls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Git's names of the files differ by the number in them."""
    return [{**pull, "diff": [line for line in pull["diff"] if not line.startswith("index ")]} for pull in pulls]


def test_a_run_that_is_killed_anywhere_is_completed(start: Start, hub: Deadly, fleet: Path) -> None:
    """After each effect of a run on GitHub and git, the next run gives the pull request of an undisturbed one."""
    assert code_of(start("run", "kill-0")) == 0
    wanted = without_index(pulls_of(hub, "kill-0"))
    assert len(wanted) == 1
    assert not wanted[0]["draft"]
    killed = 0
    for number in range(1, MOST + 1):
        name = f"kill-{number}"
        code = code_of(start("run", name, kill_after=number))
        if code == 0:
            break
        killed += 1
        assert code == -signal.SIGKILL
        assert code_of(start("run", name)) == 0
        assert without_index(pulls_of(hub, name)) == wanted, number
        assert recorded(hub, name) == {CONNECTOR: "in-pr"}
    # GitHub's two APIs, the branch, the row with the number, and the state.
    assert 7 <= killed < MOST
    before = list(hub.done)
    assert code_of(start("run", f"kill-{killed}")) == 0
    assert hub.done == before


def test_merges_and_reverts_that_are_killed_happen_once(start: Start, hub: Deadly, fleet: Path) -> None:
    """A run that was killed after a merge knows it later; killed reverts end with one pull request."""
    assert code_of(start("run", "kill-0")) == 0
    (number,) = hub.pulls
    hub.checks[number] = "SUCCESS"
    # The first answer has the pull requests, the second one is that of the merge.
    assert code_of(start("run", "kill-0", kill_after=2)) == -signal.SIGKILL
    update(fleet)
    assert code_of(start("run", "kill-0")) == 0
    assert hub.done.count(f"merge {number}") == 1
    assert recorded(hub, "kill-0") == {CONNECTOR: "healthy"}
    kills = 1
    while code := code_of(start("revert", "kill-0", "--reason=not yet", kill_after=kills)):
        assert code == -signal.SIGKILL
        kills += 1
    assert kills > 3
    (back,) = [pull for pull in hub.pulls.values() if "campaign-revert" in pull["branch"]]
    assert (back["draft"], back["labels"]) == (False, ["terms"])
    assert git(hub.remote, "rev-list", "--count", f"main..{hub.head(back)}") == "1\n"
    hub.merge(back["number"])
    update(fleet)
    assert code_of(start("run", "kill-0")) == 0
    assert recorded(hub, "kill-0") == {CONNECTOR: "reverted"}


def test_two_runs_at_once_open_everything_once(start: Start, hub: Deadly, fleet: Path, tmp_path: Path) -> None:
    """Runs in two clones do not open a pull request twice, and the next run finds nothing left to do."""
    git(tmp_path, "clone", "-q", f"file://{hub.remote}", "other")
    for key, value in {"user.name": "Ben", "user.email": "ben@example.com"}.items():
        git(tmp_path / "other", "config", key, value)
    children = [start("run", "twice"), start("run", "twice", folder=tmp_path / "other")]
    # A run that loses a branch to the other one reports that, and leaves the rest to the next run.
    assert {code_of(child) for child in children} <= {0, 1}
    assert code_of(start("run", "twice")) == 0
    assert sorted(pull["branch"].rpartition("/")[2] for pull in hub.pulls.values()) == [OTHER, CONNECTOR]
    assert len(pulls_of(hub, "twice")) == 2
    assert not any(pull["draft"] for pull in hub.pulls.values())
    assert recorded(hub, "twice") == {CONNECTOR: "in-pr", OTHER: "in-pr"}
    before = list(hub.done)
    assert code_of(start("run", "twice")) == 0
    assert hub.done == before
