"""The state of a campaign on a branch of its own, in a real bare repository, with other runs at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airbyte_ci.campaigns.waves import campaign_file, state_branch
from airbyte_ci.campaigns.waves.state import CampaignState, ConnectorState, State
from airbyte_ci.campaigns.waves.state_branch import StateBranch
from airbyte_ci.errors import AirbyteCiError
from tests.campaigns.repositories import commit, git

FILE = campaign_file.parse(b"migration: bump_version\nstate: branch\n", "july", "campaigns/july.yaml")
NOW = datetime(2026, 7, 1, tzinfo=UTC)
NAMES = [f"source-{letter}" for letter in "abcdef"]


def item(name: str, state: State = "planned", *, attempt: int = 0, hours: int = 0) -> ConnectorState:
    return ConnectorState(connector=name, state=state, since=NOW + timedelta(hours=hours), attempt=attempt)


def whole(*changed: ConnectorState) -> CampaignState:
    """A state in which the other connectors are planned."""
    items = {name: item(name) for name in NAMES} | {one.connector: one for one in changed}
    return CampaignState(campaign="july", time=NOW, connectors=tuple(items.values()))


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository with a main branch."""
    root = tmp_path / "first"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "README.md").write_text("fleet\n")
    commit(root)
    git(tmp_path, "clone", "-q", "--bare", str(root), "remote.git")
    return tmp_path / "remote.git"


def clone(remote: Path, name: str) -> Path:
    """A clone of one branch, as CI makes it."""
    root = remote.parent / name
    git(remote.parent, "clone", "-q", "--single-branch", f"file://{remote}", name)
    for key, value in {"user.name": "Ann", "user.email": "ann@example.com"}.items():
        git(root, "config", key, value)
    return root


def record(remote: Path, name: str) -> StateBranch:
    return StateBranch(clone(remote, name), FILE, offline=False)


def test_the_branch_has_a_history_of_its_own(remote: Path) -> None:
    """Another clone reads what was recorded, an equal state adds no commit, and no commit of main is an ancestor."""
    first = record(remote, "one")
    assert first.load() == {}
    assert first.save(whole(item(NAMES[0], "trial-failed", attempt=1)))
    assert not first.save(whole(item(NAMES[0], "trial-failed", attempt=1)))
    assert first.save(whole(item(NAMES[0], "in-pr", attempt=2)))
    second = record(remote, "two")
    assert (second.load()[NAMES[0]].state, second.load()[NAMES[0]].attempt) == ("in-pr", 2)
    assert not second.save(whole(item(NAMES[0], "in-pr", attempt=2)))
    assert git(remote, "rev-list", "--count", FILE.state_branch) == "2\n"
    assert git(remote, "ls-tree", "-r", "--name-only", FILE.state_branch) == f"{FILE.state_path}\n"
    assert git(remote, "rev-list", "--count", "main") == "1\n"
    # What was fetched last is known without the remote.
    remote.rename(remote.with_name("away.git"))
    assert StateBranch(remote.parent / "one", FILE, offline=True).load()[NAMES[0]].state == "in-pr"
    with pytest.raises(AirbyteCiError, match=rf"reading the branch {FILE.state_branch}: "):
        second.load()


def test_runs_at_the_same_time_lose_nothing(remote: Path) -> None:
    """Four clones record a failed trial each at the same moment: the branch has all four in the end."""
    records = [record(remote, f"clone-{number}") for number in range(4)]
    start = threading.Barrier(len(records))

    def save(number: int) -> bool:
        records[number].load()
        start.wait()
        return records[number].save(whole(item(NAMES[number], "trial-failed", attempt=1)))

    with ThreadPoolExecutor(len(records)) as pool:
        assert all(pool.map(save, range(len(records))))
    found = record(remote, "reader").load()
    assert [found[name].state for name in NAMES[:4]] == ["trial-failed"] * 4
    assert git(remote, "rev-list", "--count", FILE.state_branch) == "4\n"


def test_the_later_trial_wins() -> None:
    """Where two runs changed the same connector, more attempts win, then the later time; new connectors stay."""
    base = {name: item(name) for name in NAMES}
    own = whole(item("source-a", "in-pr", attempt=2), item("source-b", "in-pr", attempt=1, hours=1))
    theirs = base | {
        "source-a": item("source-a", "trial-failed", attempt=1, hours=5),
        "source-b": item("source-b", "trial-failed", attempt=1, hours=2),
        "source-new": item("source-new", "trial-failed", attempt=1),
    }
    joined = {one.connector: one.state for one in state_branch.join(base, theirs, own).connectors}
    assert (joined["source-a"], joined["source-b"], joined["source-c"]) == ("in-pr", "trial-failed", "planned")
    assert joined["source-new"] == "trial-failed"
    # One that this run left out of the campaign does not come back.
    without = replace(own, connectors=own.connectors[:3])
    assert "source-d" not in {one.connector for one in state_branch.join(base, theirs, without).connectors}


def test_others_may_use_and_delete_the_branch(remote: Path) -> None:
    """Files of people stay on the branch. A deleted branch begins again, and a branch that refuses pushes is told."""
    first = record(remote, "one")
    assert first.load() == {}
    first.save(whole())
    other = clone(remote, "other")
    git(other, "fetch", "-q", "origin", FILE.state_branch)
    git(other, "checkout", "-q", "FETCH_HEAD")
    (other / "README.md").write_text("Written by airbyte-ci.\n")
    commit(other)
    git(other, "push", "-q", "origin", f"HEAD:{FILE.state_branch}")
    assert first.save(whole(item(NAMES[1], "trial-failed", attempt=1)))
    assert "README.md" in git(remote, "ls-tree", "-r", "--name-only", FILE.state_branch)
    git(remote, "branch", "-D", FILE.state_branch)
    assert first.load() == {}
    assert first.save(whole(item(NAMES[2], "trial-failed", attempt=1)))
    assert git(remote, "rev-list", "--count", FILE.state_branch) == "1\n"
    hook = remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'this branch is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(AirbyteCiError, match=r"pushing airbyte-ci/campaign-state/july to origin: .*protected"):
        first.save(whole())


def test_the_file_is_read_until_the_branch_exists(remote: Path) -> None:
    """A campaign that moves to a branch keeps what it knows about trials."""
    first = record(remote, "one")
    path = remote.parent / "one" / FILE.state_path
    path.parent.mkdir()
    path.write_text(whole(item(NAMES[0], "trial-failed", attempt=3)).text())
    assert first.load()[NAMES[0]].attempt == 3
    assert first.save(whole(item(NAMES[0], "in-pr", attempt=4)))
    assert first.load()[NAMES[0]].attempt == 4
