"""Campaigns when GitHub or people do not do what is expected: nothing is lost, and the next run goes on."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci import app
from airbyte_ci.campaigns.waves import campaign_file, pace
from airbyte_ci.campaigns.waves.github_pulls import GitHubPulls
from airbyte_ci.cli import main
from airbyte_ci.git.github import require_repository
from tests.campaigns.repositories import commit, copied, git
from tests.campaigns.waves.hub import Hub, prepare_fleet, serving
from tests.github.double import Double, Request
from tests.github.hub import TOKEN

FIRST, SECOND = "source-newsfeed", "source-exchange-rates-archive"
CAMPAIGN = """migration: bump_version
options: {bump: patch}
changelog: New terms
trial: []
automerge: true
waves: [{name: all, connectors: [source-newsfeed, source-exchange-rates-archive], gate: {failures: 100%}}]
select: name in ('source-newsfeed', 'source-exchange-rates-archive')
"""
CREATE = "POST /repos/{owner}/{repo}/pulls"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example fleet with a campaign, pushed to a bare repository."""
    root = copied("fleet", tmp_path / "fleet")
    (root / "campaigns").mkdir()
    (root / "campaigns/terms.yaml").write_text(CAMPAIGN)
    prepare_fleet(root, tmp_path / "home", monkeypatch, (FIRST, SECOND))
    return root


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(remote=tmp_path / "remote.git")


@pytest.fixture
def github(fleet: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    with serving(hub, monkeypatch) as running:
        yield running


@pytest.fixture
def run(github: Double, fleet: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str]:
        git(fleet, "fetch", "-q", "origin")
        git(fleet, "reset", "-q", "--hard", "origin/main")
        capfd.readouterr()
        code = main.run(["campaign", *(arguments or ("run", "terms"))])
        out, err = capfd.readouterr()
        assert code != 3, err
        assert TOKEN not in out + err
        return code, out + err

    return call


def states(fleet: Path) -> dict[str, Any]:
    document = json.loads((fleet / "campaigns/terms.state.json").read_text())
    return {item["connector"]: item for item in document["connectors"]}


def test_a_limit_of_github_ends_a_run_and_the_next_goes_on(run: Run, github: Double, hub: Hub, fleet: Path) -> None:
    """A 429 is not waited for: one line, exit code 0, what was opened is recorded, and the next run opens the rest."""
    github.faults[CREATE] = [429]
    code, out = run()
    assert code == 0, out
    assert out.splitlines()[0].startswith("– opening the pull request of airbyte-ci/campaign/terms/source-")
    assert "rate limit" in out and "the next run continues" in out
    assert not hub.pulls
    assert run()[0] == 0
    assert {item["state"] for item in states(fleet).values()} == {"in-pr"}
    assert len(hub.pulls) == 2


def test_a_failing_server_is_asked_again(run: Run, github: Double, hub: Hub, fleet: Path) -> None:
    """Queries are repeated after a 5xx; a server that goes on failing gives one line, and nothing is changed."""
    github.faults["graphql"] = [502, 503]
    assert run()[0] == 0
    assert len(hub.pulls) == 2
    before = (fleet / "campaigns/terms.state.json").read_bytes()
    github.faults["graphql"] = [502] * 4
    code, out = run()
    assert code == 1
    assert "cannot read the pull requests in acme/connectors" in out and "502" in out
    assert (fleet / "campaigns/terms.state.json").read_bytes() == before


def test_a_failed_creation_is_completed_by_the_next_run(run: Run, github: Double, hub: Hub, fleet: Path) -> None:
    """A pull request that could not be opened is reported; its branch is used by the next run."""
    hub.fails_at = CREATE
    code, out = run()
    assert code == 1
    assert "422 Validation Failed" in out
    assert {item["state"] for item in states(fleet).values()} == {"planned"}
    hub.fails_at = ""
    assert run()[0] == 0
    assert len(hub.pulls) == 2


def test_pull_requests_of_others(run: Run, hub: Hub, fleet: Path) -> None:
    """One that a person closed is not opened again; one of a fork with the same branch name means nothing."""
    assert run()[0] == 0
    closed, fork = sorted(hub.pulls)
    hub.pulls[closed]["state"] = "closed"
    hub.pulls[99] = {
        **hub.pulls[fork],
        "number": 99,
        "fork": True,
        "state": "closed",
        "merged_at": hub.time.isoformat(),
    }
    assert run()[0] == 0
    found = {item["state"]: item.get("reason", "") for item in states(fleet).values()}
    assert found["held"] == f"pull request {closed} was closed without being merged"
    assert "in-pr" in found
    assert len(hub.pulls) == 3


def test_a_branch_with_conflicts_is_made_again(run: Run, hub: Hub, fleet: Path) -> None:
    """A conflicting branch is made again on the current main branch, unless it has a person's commit."""
    assert run()[0] == 0
    first, second = (hub.pulls[number] for number in sorted(hub.pulls))
    heads = hub.head(first), push_by_hand(fleet, second["branch"])
    (fleet / "README.md").write_text("moved on\n")
    git(fleet, "commit", "-qam", "moved on")
    git(fleet, "push", "-q", "origin", "HEAD:main")
    first["conflicts"] = second["conflicts"] = True
    code, out = run()
    assert code == 0, out
    assert "conflicted, and was made again" in out
    assert hub.head(first) != heads[0]
    assert git(hub.remote, "merge-base", "main", hub.head(first)) == git(hub.remote, "rev-parse", "main")
    assert hub.head(second) == heads[1]


def test_branches_that_are_behind_are_made_again_one_by_one(run: Run, hub: Hub, fleet: Path) -> None:
    """Where the target branch requires up-to-date branches, each run brings one to its current commit."""
    assert run()[0] == 0
    hub.allows_automatic = False
    (fleet / "README.md").write_text("moved on\n")
    git(fleet, "commit", "-qam", "moved on")
    git(fleet, "push", "-q", "origin", "HEAD:main")
    pulls = [hub.pulls[number] for number in sorted(hub.pulls)]
    for pull in pulls:
        hub.checks[pull["number"]] = "SUCCESS"
        pull["merge state"] = "BEHIND"
    for number, pull in enumerate(pulls):
        before = [hub.head(other) for other in pulls]
        code, out = run()
        assert (code, out.count("was behind its target, and was made again")) == (0, 1), out
        assert [hub.head(other) != head for other, head in zip(pulls, before, strict=True)][number]
        assert git(hub.remote, "merge-base", "main", hub.head(pull)) == git(hub.remote, "rev-parse", "main")
        pull["merge state"] = "BLOCKED"
        hub.checks[pull["number"]] = "PENDING"
    assert len(hub.pulls) == 2


def test_a_merge_is_refused_if_the_branch_moved(
    run: Run, hub: Hub, github: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub compares the commit: whatever was pushed after the decision is not merged."""
    assert run()[0] == 0
    for number in hub.pulls:
        hub.checks[number] = "SUCCESS"
    given = Hub._given

    def moved(self: Hub, asked: Any) -> Any:
        return given(self, {**asked, "expectedHeadOid": "0" * 40})

    monkeypatch.setattr(Hub, "_given", moved)
    code, out = run()
    assert code == 1
    assert out.count("Head branch was modified") == 2
    assert not any(pull["merged_at"] for pull in hub.pulls.values())


def push_by_hand(fleet: Path, branch: str) -> str:
    """A person's commit on a branch; returns it."""
    git(fleet, "fetch", "-q", "origin", branch)
    git(fleet, "checkout", "-q", "FETCH_HEAD")
    (fleet / "note.txt").write_text("mine")
    commit(fleet)
    git(fleet, "push", "-q", "origin", f"HEAD:refs/heads/{branch}")
    head = git(fleet, "rev-parse", "HEAD").strip()
    git(fleet, "checkout", "-q", "main")
    return head


def test_a_persons_commit_is_not_merged_automatically(run: Run, hub: Hub, fleet: Path) -> None:
    """GitHub's automatic merge is stopped when a person's commit is found; a person may start it again."""
    assert run()[0] == 0
    for number in hub.pulls:
        hub.checks[number] = "PENDING"
    assert run()[1].count("will be merged when its checks succeed") == 2
    first, second = (hub.pulls[number] for number in sorted(hub.pulls))
    by_hand = push_by_hand(fleet, second["branch"])
    code, out = run()
    assert (code, first["automatic"], second["automatic"]) == (0, True, False), out
    assert "is not merged automatically any more: a person changed its branch" in out
    second["automatic"] = True
    assert run()[0] == 0
    assert (second["automatic"], hub.head(second)) == (True, by_hand)


def test_the_pull_request_of_an_excluded_connector_is_left_to_people(run: Run, hub: Hub, fleet: Path) -> None:
    """GitHub does not merge it any more, and the end of the campaign needs a decision about it."""
    assert run()[0] == 0
    for number in hub.pulls:
        hub.checks[number] = "PENDING"
    assert run()[1].count("will be merged when its checks succeed") == 2
    text = f"{CAMPAIGN}exclude: [{{connector: {FIRST}, reason: it is rewritten}}]\n"
    (fleet / "campaigns/terms.yaml").write_text(text)
    commit(fleet)
    git(fleet, "push", "-q", "origin", "HEAD:main")
    code, out = run()
    assert (code, out.count("is not merged automatically any more: it is rewritten")) == (0, 1), out
    automatic = {pull["branch"].rpartition("/")[2]: pull["automatic"] for pull in hub.pulls.values()}
    assert automatic == {FIRST: False, SECOND: True}
    assert states(fleet)[FIRST]["state"] == "excluded"
    assert "2 of its pull requests are open" in run("close", "terms")[1]


@pytest.mark.parametrize("state", ["UNKNOWN", "UNSTABLE"])
def test_github_is_not_asked_for_a_merge_that_it_would_refuse(run: Run, hub: Hub, state: str) -> None:
    """GitHub merges automatically only what is blocked. What it has not decided yet waits for the next run."""
    assert run()[0] == 0
    for number, pull in hub.pulls.items():
        hub.checks[number] = "PENDING"
        pull["merge state"] = state
    before = list(hub.done)
    code, out = run()
    assert (code, hub.done) == (0, before), out


def test_a_limited_query_ends_a_run(run: Run, hub: Hub) -> None:
    """GraphQL answers a limit with status 200 and an error of its own type: it is no failure of the campaign."""
    assert run()[0] == 0
    for number in hub.pulls:
        hub.checks[number] = "SUCCESS"
    hub.limits = "mergePullRequest"
    code, out = run()
    assert (code, out.count("the next run continues")) == (0, 1), out
    hub.limits = ""
    code, out = run()
    assert (out.count("is merged"), "2 merged" in out) == (2, True), out


def test_reverts_obey_githubs_limit(run: Run, hub: Hub, github: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reverts count as pull requests of the hour, a limit of GitHub ends the command, and the next one continues."""
    assert run()[0] == 0
    for number in list(hub.pulls):
        hub.merge(number)
    hub.pass_time(hours=2)
    github.faults[CREATE] = [429]
    code, out = run("revert", "terms", "--reason", "not yet")
    assert (code, out.count("the next run continues"), len(hub.pulls)) == (0, 1, 2), out
    monkeypatch.setattr(pace, "MOST_PER_HOUR", 1)
    assert run("revert", "terms", "--reason", "not yet")[0] == 0
    assert len(hub.pulls) == 3
    assert run("revert", "terms", "--reason", "not yet")[0] == 0
    assert len(hub.pulls) == 3
    hub.pass_time(hours=2)
    assert run("revert", "terms", "--reason", "not yet")[0] == 0
    assert len(hub.pulls) == 4


def test_a_wave_without_its_named_connectors_does_not_begin(run: Run, hub: Hub, fleet: Path) -> None:
    """A canary that the query leaves out would be skipped silently, so nothing is opened; `plan` warns."""
    text = CAMPAIGN.replace("select: name in ('source-newsfeed', ", "select: name in (")
    (fleet / "campaigns/terms.yaml").write_text(text)
    commit(fleet)
    git(fleet, "push", "-q", "origin", "HEAD:main")
    code, out = run()
    assert (code, len(hub.pulls)) == (2, 0)
    assert "wave all names source-newsfeed, which the campaign's query does not select" in out
    code, out = run("plan", "terms")
    assert code == 0
    assert "! campaigns/terms.yaml: wave all names source-newsfeed" in out


def test_another_forge_is_refused(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Campaigns work with GitHub only: one line names the forge of the remote. A plan needs no forge."""
    git(fleet, "remote", "set-url", "origin", "git@gitlab.com:acme/connectors.git")
    monkeypatch.setenv("GITLAB_TOKEN", TOKEN)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert main.run(["campaign", "run", "terms"]) == 2
    assert "this command needs GitHub, and the remote origin is on GitLab" in capfd.readouterr().err
    assert main.run(["campaign", "plan", "terms"]) == 0


def test_a_clock_that_goes_back_does_nothing_twice(run: Run, hub: Hub, fleet: Path) -> None:
    """Two days before its last run, a campaign opens nothing again, and goes on when its clock is right."""
    assert run()[0] == 0
    for number in hub.pulls:
        hub.checks[number] = "PENDING"
    assert run()[0] == 0
    before = list(hub.done)
    hub.pass_time(days=-2)
    assert (run()[0], hub.done) == (0, before)
    assert {item["state"] for item in states(fleet).values()} == {"in-pr"}
    hub.pass_time(days=2)
    for number in list(hub.pulls):
        hub.merge(number)
    assert run()[0] == 0
    assert {item["state"] for item in states(fleet).values()} == {"healthy"}


def test_a_merge_queue_is_used(run: Run, hub: Hub) -> None:
    """Where the target branch has a queue, green pull requests join it once, and a hold takes them out."""
    hub.has_queue = True
    assert run()[0] == 0
    for number in hub.pulls:
        hub.checks[number] = "SUCCESS"
    assert "is in the merge queue" in run()[1]
    assert run()[0] == 0
    assert [entry for entry in hub.done if entry.startswith("queued")] == ["queued 40 True", "queued 41 True"]
    run("hold", "terms", "--reason", "wait")
    code = main.run(["campaign", "run", "terms"])
    assert (code, hub.done[-2:]) == (0, ["queued 40 False", "queued 41 False"])


def test_without_the_recorded_state_nothing_is_done_twice(run: Run, hub: Hub, fleet: Path) -> None:
    """The state file may be lost: GitHub and git say what was opened, and who made it."""
    assert run()[0] == 0
    before = list(hub.done)
    (fleet / "campaigns/terms.state.json").unlink()
    assert run()[0] == 0
    assert hub.done == before
    assert {item["state"] for item in states(fleet).values()} == {"in-pr"}
    for number in hub.pulls:
        hub.checks[number] = "SUCCESS"
    (fleet / "campaigns/terms.state.json").unlink()
    assert run()[1].count("is merged") == 2


def test_a_yanked_target_holds_without_the_recorded_state(run: Run, hub: Hub, fleet: Path) -> None:
    """The branches tell the target, too. A base image that the campaign does not change is no target."""
    campaign = "migration: upgrade_base_image\noptions: {to: '4.0'}\nselect: base.version == '2.0.0'\ntrial: []\n"
    (fleet / "campaigns/base.yaml").write_text(campaign)
    commit(fleet)
    git(fleet, "push", "-q", "origin", "HEAD:main")
    assert run("run", "base")[0] == run()[0] == 0
    assert len(hub.pulls) == 4
    yanked = ["python-connector-base:4.0.2", "python-connector-base:2.0.0", "python-connector-base:1.0.0"]
    for version in yanked:
        assert main.run(["base-images", "yank", version, "--reason", "it leaks"]) == 0
    commit(fleet)
    git(fleet, "push", "-q", "origin", "HEAD:main")
    (fleet / "campaigns/base.state.json").unlink()
    reason = "on hold: the target docker.io/airbyte/python-connector-base:4.0.2 was yanked: it leaks"
    assert reason in run("run", "base")[1]
    for _ in range(2):
        assert "on hold" not in run()[1]
        (fleet / "campaigns/terms.state.json").unlink()


def tick(hub: Hub, words: str, sign: str = "x") -> None:
    """A person ticks the box with these words, or clears it."""
    lines = hub.issues[5]["body"].splitlines()
    (place,) = [number for number, line in enumerate(lines) if words in line and line.startswith("- [")]
    lines[place] = f"- [{sign}]{lines[place][5:]}"
    hub.issues[5]["body"] = "\r\n".join(lines)


def test_tick_boxes_of_the_dashboard_are_commands(run: Run, hub: Hub, fleet: Path) -> None:
    """Hold and revert apply as long as they are ticked; a run that changes nothing does not write the issue."""
    hub.issues[5] = {"body": None, "author_association": "MEMBER"}
    (fleet / "campaigns/terms.yaml").write_text(f"{CAMPAIGN}dashboard: 5\n")
    commit(fleet)
    git(fleet, "push", "-q", "origin", "HEAD:main")
    assert run("dashboard", "terms") == (0, "issue 5 is updated\n")
    assert "- [ ] <!-- airbyte-ci do=hold -->" in hub.issues[5]["body"]
    tick(hub, "Hold the campaign")
    code, out = run()
    assert (code, len(hub.pulls)) == (0, 0)
    assert "on hold: held on the dashboard" in out
    assert "- [x] <!-- airbyte-ci do=hold -->" in hub.issues[5]["body"]
    tick(hub, "Hold the campaign", " ")
    assert run()[0] == 0
    assert len(hub.pulls) == 2
    before = hub.done.count("write issue")
    assert run()[0] == 0
    assert hub.done.count("write issue") <= before + 1
    for number in list(hub.pulls):
        hub.merge(number)
    assert run()[0] == 0
    tick(hub, "Open pull requests that revert")
    tick(hub, "Hold the campaign")
    code, out = run()
    assert code == 0, out
    assert sum("campaign-revert" in pull["branch"] for pull in hub.pulls.values()) == 2


def test_an_issue_of_others_is_left_alone(run: Run, hub: Hub) -> None:
    """An issue with another text is not overwritten, and one that an outsider may edit gives no commands."""
    hub.issues[5] = {"body": "My bug", "author_association": "MEMBER"}
    code, out = run("dashboard", "terms", "--issue", "5")
    assert (code, hub.issues[5]["body"]) == (2, "My bug")
    assert "issue 5 is not the dashboard of terms" in out
    hub.issues[5] = {"body": "", "author_association": "NONE"}
    code, out = run("dashboard", "terms", "--issue", "5")
    assert code == 2
    assert "was opened by someone who may not write" in out


@pytest.mark.parametrize("arguments", [["run"], ["revert", "--reason=x"], ["close"], ["dashboard", "--issue=5"]])
def test_commands_that_change_github_refuse_offline(
    fleet: Path, arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Without GitHub, open pull requests are unknown: nothing is closed, reverted or written."""
    assert main.run(["--offline", "campaign", arguments[0], "terms", *arguments[1:]]) == 2
    assert "this command needs GitHub and excludes --offline" in capfd.readouterr().err
    assert (fleet / "campaigns/terms.yaml").read_text() == CAMPAIGN
    assert main.run(["--offline", "campaign", "status", "terms"]) == 0


def test_a_plan_ignores_exclusions_that_ended(fleet: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A connector is planned again from the day after `until`, as `run` treats it."""
    exclusions = [f"{{connector: {FIRST}, reason: old, until: 2020-01-01}}", f"{{connector: {SECOND}, reason: new}}"]
    (fleet / "campaigns/terms.yaml").write_text(f"{CAMPAIGN}exclude: [{', '.join(exclusions)}]\n")
    assert main.run(["campaign", "plan", "terms", "--json"]) == 0
    found = {item["name"]: item for item in map(json.loads, capfd.readouterr().out.splitlines())}
    assert found[FIRST]["status"] == "ok"
    assert (found[SECOND]["status"], found[SECOND]["reason"]) == ("skipped", "new")


def test_the_state_of_400_pull_requests_takes_few_requests(run: Run, hub: Hub, github: Double) -> None:
    """GitHub is asked once for 100 branches."""
    from airbyte_ci.campaigns.waves.github_pulls import GitHubPulls
    from airbyte_ci.git.github import GitHubRepository

    assert run()[0] == 0
    before = hub.queries
    pulls = GitHubPulls(GitHubRepository(github.api, "acme/connectors", TOKEN), "main")
    branches = [f"airbyte-ci/campaign/terms/{name}" for name in (FIRST, SECOND, *map(str, range(398)))]
    found = pulls.read(branches)
    pulls.close()
    assert (len(found), hub.queries - before) == (2, 4)


def test_a_status_takes_two_requests_for_100_connectors(run: Run, hub: Hub, github: Double) -> None:
    """The whole command asks for the pull requests, and for the reverts of the merged ones, and nothing else."""
    assert run()[0] == 0
    for number in hub.pulls:
        hub.checks[number] = "SUCCESS"
    assert run()[1].count("is merged") == 2
    before = len(github.requests), hub.queries
    assert run("status", "terms")[0] == 0
    assert (len(github.requests) - before[0], hub.queries - before[1]) == (0, 2)


def recorded(hub: Hub) -> dict[str, Any]:
    """The states on the branch of the campaign."""
    text = git(hub.remote, "show", "airbyte-ci/campaign-state/terms:campaigns/terms.state.json")
    return {item["connector"]: item for item in json.loads(text)["connectors"]}


def test_the_state_on_a_branch_of_its_own(run: Run, hub: Hub, fleet: Path, tmp_path: Path) -> None:
    """Runs push the state and leave the clone as it is; another run meanwhile, damage and deletion lose nothing."""
    (fleet / "campaigns/terms.yaml").write_text(f"{CAMPAIGN}state: branch\n")
    commit(fleet)
    git(fleet, "push", "-q", "origin", "HEAD:main")
    branch = "airbyte-ci/campaign-state/terms"
    git(tmp_path, "clone", "-q", f"file://{hub.remote}", "other")
    other = tmp_path / "other"
    git(other, "checkout", "-q", "--orphan", "state")
    git(other, "rm", "-rfq", ".")

    def record_a_trial(request: Request) -> None:
        """Another run records a failed trial while this one opens its first pull request."""
        if not hub.pulls and request.name == CREATE:
            failed = {"connector": "x", "state": "trial-failed", "since": "2026-03-02T09:00:00Z", "attempt": 1}
            (other / "campaigns").mkdir()
            document = {"format": "airbyte-ci campaign 1", "connectors": [failed]}
            (other / "campaigns/terms.state.json").write_text(json.dumps(document))
            commit(other)
            git(other, "push", "-q", "origin", f"HEAD:refs/heads/{branch}")

    hub.meanwhile = record_a_trial
    code, out = run()
    assert code == 0, out
    assert git(fleet, "status", "--porcelain") == ""
    assert not (fleet / "campaigns/terms.state.json").exists()
    assert {name: item["state"] for name, item in recorded(hub).items()} == {
        FIRST: "in-pr",
        SECOND: "in-pr",
        "x": "trial-failed",
    }
    # A run without news pushes nothing, apart from the connector that is not one of this campaign.
    assert run()[0] == 0
    tip = git(hub.remote, "rev-parse", branch)
    assert run()[0] == 0
    assert git(hub.remote, "rev-parse", branch) == tip
    assert "2 in-pr" in run("status", "terms")[1]
    # A damaged state is refused with the command that removes it.
    (other / "campaigns/terms.state.json").write_text("{")
    git(other, "commit", "-qam", "damage")
    git(other, "push", "-qf", "origin", f"HEAD:refs/heads/{branch}")
    done = list(hub.done)
    code, out = run()
    assert code == 1
    assert f"the campaign's state campaigns/terms.state.json on the branch {branch} is invalid" in out
    assert f"git push origin --delete {branch}" in out
    git(fleet, "push", "-q", "origin", "--delete", branch)
    assert run()[0] == 0
    assert hub.done == done
    assert {item["state"] for item in recorded(hub).values()} == {"in-pr"}


def test_a_request_for_a_hundred_branches(github: Double, hub: Hub, fleet: Path) -> None:
    """The pull requests of 400 connectors, and those that revert them, are two requests for a hundred connectors."""
    repository = require_repository(fleet, app.read_environment())
    names = [f"source-{number}" for number in range(400)]
    campaign = campaign_file.load(fleet, "terms")
    with closing(GitHubPulls(repository, "main")) as pulls:
        assert pulls.read_by_name(campaign.branch, names) == {}
        assert hub.queries == 4
        assert pulls.read_by_name(campaign.revert_branch, names) == {}
    assert hub.queries == 8
