"""Delivery: real git with a bare repository as the remote, and a GitHub on loopback by its published description."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.campaigns.delivery import branches
from airbyte_ci.errors import AirbyteCiError
from tests.campaigns.repositories import CONNECTORS, commit, git, snapshot
from tests.delivery.conftest import Run
from tests.e2e import console
from tests.github import double
from tests.github.description import ENTERPRISE, PUBLIC
from tests.github.hub import TOKEN, GitHub

pytestmark = pytest.mark.slow

TIDES_PAGE = "docs/integrations/sources/tides.md"
MIGRATE = ("connectors", "--name=source-tides", "--name=source-parcels", "migrate_to_base_image")
TIDES = "airbyte-ci/migrate-to-base-image/source-tides"
PARCELS = "airbyte-ci/migrate-to-base-image/source-parcels"


@pytest.fixture(params=[PUBLIC])
def github(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    state = GitHub()
    with double.running(request.param, state.answer, state.graphql) as running:
        state.api = running.api
        monkeypatch.setenv("GITHUB_API_URL", running.api)
        monkeypatch.setenv("GITHUB_REPOSITORY", "acme/connectors")
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        yield state


def remote(fleet: Path) -> dict[str, str]:
    """The branches of the remote."""
    return pushed(fleet, "origin")


def untouched(fleet: Path) -> tuple[Any, ...]:
    """What delivery to branches does not change: files, index, HEAD."""
    return snapshot(fleet), git(fleet, "status", "--porcelain"), git(fleet, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")


def test_a_commit_per_connector_takes_nothing_else_along(run: Run, fleet: Path) -> None:
    """Other staged and changed files stay so; uncommitted changes of the connector itself are refused by name."""
    (fleet / "staged.txt").write_text("mine")
    git(fleet, "add", "staged.txt")
    (fleet / "README.md").write_text("changed")
    code, out, _ = run(*MIGRATE, "--commit")
    assert (code, out.count("→ committed")) == (0, 2)
    assert git(fleet, "status", "--porcelain").split() == ["M", "README.md", "A", "staged.txt"]
    log = git(fleet, "log", "--format=%an %s", "main", "--not", "origin/main").splitlines()
    assert [line.partition(":")[0] for line in log] == ["Ann source-tides", "Ann source-parcels"]
    names = git(fleet, "show", "--name-status", "--format=", "HEAD").split()
    assert "D" in names
    assert all("source-tides" in name for name in names if "/" in name)
    page = fleet / "docs/integrations/sources/weather-stations.md"
    page.write_text(f"{page.read_text()}\n")
    before = snapshot(fleet)
    code, out, _ = run("connectors", "--name=source-weather-stations", "bump_version", "patch", "8", "x", "--commit")
    assert (code, "weather-stations.md has changes of yours" in out, snapshot(fleet)) == (1, True, before)


def test_a_commit_that_fails_leaves_the_files_as_they_were(run: Run, fleet: Path) -> None:
    """A hook of the repository may refuse the commit."""
    hook = fleet / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho no, not on my watch >&2\nexit 1\n")
    hook.chmod(0o755)
    before = untouched(fleet)
    code, out, _ = run(*MIGRATE, "--commit")
    assert (code, "not on my watch" in out, untouched(fleet)) == (1, True, before)


def test_a_branch_each_and_again(run: Run, fleet: Path) -> None:
    """Each begins where this branch left the main one; a second run changes nothing, and neither touches the tree."""
    (fleet / "README.md").write_text("changed")
    before = untouched(fleet)
    code, out, _ = run(*MIGRATE, "--branch")
    assert (code, untouched(fleet)) == (0, before)
    assert f"→ branch {TIDES} created" in out
    assert f"next: git push origin {PARCELS} {TIDES}\n" in out
    tips = [git(fleet, "rev-parse", name) for name in (TIDES, PARCELS)]
    for name in (TIDES, PARCELS):
        assert git(fleet, "rev-parse", f"{name}^") == git(fleet, "rev-parse", "main")
        touched = git(fleet, "diff", "--name-only", "main", name).split()
        assert all(name.rpartition("/")[2] in path for path in touched)
    code, out, _ = run(*MIGRATE, "--branch")
    assert (code, out.count("unchanged")) == (0, 2)
    assert tips == [git(fleet, "rev-parse", name) for name in (TIDES, PARCELS)]
    git(fleet, "fsck", "--strict")


HOOK = """#!/bin/sh
echo
echo "To create a merge request, visit:"
echo "  https://gitlab.com/acme/x/-/merge_requests/new?a=b"
"""


@pytest.mark.parametrize("name", ["origin", "work"])
def test_branches_are_pushed_to_any_remote(run: Run, fleet: Path, tmp_path: Path, name: str) -> None:
    """--push needs no forge and no token: the branch is on the remote only, a second run moves it from where it was."""
    if name != "origin":
        git(fleet, "remote", "rename", "origin", name)
    hook = tmp_path / "remote.git/hooks/post-receive"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    push = "--push" if name == "origin" else f"--push={name}"
    before, branches = untouched(fleet), git(fleet, "branch")
    code, out, _ = run("--diffed-branch=main", *MIGRATE, push)
    assert (code, untouched(fleet), git(fleet, "branch")) == (0, before, branches)
    assert f"→ branch {TIDES} created on {name}" in out
    assert "→ open https://gitlab.com/acme/x/-/merge_requests/new?a=b" in out
    assert "no changelog entry yet" in out
    tip = pushed(fleet, name)[TIDES]
    code, out, _ = run("--diffed-branch=main", *MIGRATE, push)
    assert (code, out.count(f"unchanged on {name}"), pushed(fleet, name)[TIDES]) == (0, 2, tip)
    # With the number of the pull request that a person opened, the entry is added.
    code, out, _ = run("--diffed-branch=main", *MIGRATE, "7", push)
    assert (code, out.count(f"updated on {name}")) == (0, 2)
    assert pushed(fleet, name)[TIDES] != tip
    page = git(fleet, "show", f"{pushed(fleet, name)[TIDES]}:docs/integrations/sources/tides.md")
    assert "/pull/7)" in page


def pushed(fleet: Path, name: str) -> dict[str, str]:
    """The branches of a remote, by their names."""
    lines = git(fleet, "ls-remote", "--heads", name).splitlines()
    return {line.split("refs/heads/")[1]: line.split()[0] for line in lines}


def test_one_branch_has_a_commit_of_each_and_loses_none(run: Run, fleet: Path) -> None:
    """A run over fewer connectors does not drop the others from the branch; one over more goes on."""
    assert run(*MIGRATE, "--branch", "migration")[0] == 0
    assert len(git(fleet, "rev-list", "main..migration").split()) == 2
    tip = git(fleet, "rev-parse", "migration")
    code, out, _ = run(*MIGRATE[:2], MIGRATE[-1], "--branch", "migration")
    assert (code, git(fleet, "rev-parse", "migration")) == (1, tip)
    assert "also has changes of source-parcels, which this run would lose" in out
    code, out, _ = run("connectors", "--all", "migrate_to_base_image", "--branch", "migration")
    assert (code, out.count("branch migration updated")) == (0, 4)


def test_a_branch_with_commits_of_others_is_left_alone(run: Run, fleet: Path, github: GitHub) -> None:
    """New commits or an amended one, here or on the remote: refused with the reason, and reported as a failure."""
    assert run(*MIGRATE, "--pull-request")[0] == 0
    for name, arguments in ((TIDES, ("--allow-empty",)), (PARCELS, ("--amend", "-a"))):
        git(fleet, "fetch", "-q", "origin", name)
        git(fleet, "switch", "-q", "--detach", "FETCH_HEAD")
        (fleet / "README.md").write_text("by hand")
        git(
            fleet,
            "commit",
            "-q",
            "-m",
            "by hand" if name == TIDES else git(fleet, "log", "-1", "--format=%B"),
            *arguments,
        )
        git(fleet, "push", "-q", "--force", "origin", f"HEAD:refs/heads/{name}")
        git(fleet, "switch", "-q", "--force", "main")
    tips, done = remote(fleet), [*github.done]
    code, out, _ = run(*MIGRATE, "--pull-request")
    assert (code, out.count("has commits of others"), remote(fleet), github.done) == (1, 2, tips, done)


def test_a_branch_that_was_delivered_upon_a_newer_main_is_ours(
    run: Run, fleet: Path, github: GitHub, tmp_path: Path
) -> None:
    """Commits of the main branch that are missing here do not count as others' work on the branch."""
    command = (*MIGRATE[:2], MIGRATE[-1], "--pull-request")
    assert run(*command)[0] == 0
    git(tmp_path, "clone", "-q", f"file://{tmp_path}/remote.git", "other")
    other = tmp_path / "other"
    (other / "README.md").write_text("newer")
    commit(other)
    git(other, "config", "user.name", "Bob")
    git(other, "config", "user.email", "bob@example.com")
    git(other, "push", "-q", "origin", "main")
    assert run("--repo", str(other), *command)[0] == 0
    tip = remote(fleet)[TIDES]
    code, out, _ = run(*command)
    assert (code, "pull request 40 updated" in out, remote(fleet)[TIDES] != tip) == (0, True, True), out


def test_files_that_differ_from_where_the_branch_begins_are_refused(run: Run, fleet: Path) -> None:
    """A change of a person's in one connector never gets into a commit; the other connector is delivered."""
    path = fleet / CONNECTORS / "source-tides/metadata.yaml"
    path.write_text(f"{path.read_text()}# mine\n")
    code, out, _ = run(*MIGRATE, "--branch")
    assert code == 1
    assert "source-tides/metadata.yaml differs from" in out
    assert git(fleet, "branch", "--list", "airbyte-ci/*").split() == [PARCELS]


@pytest.mark.parametrize("github", [PUBLIC, ENTERPRISE], indirect=True)
def test_pull_requests_have_their_numbers_in_the_changelog(run: Run, fleet: Path, github: GitHub) -> None:
    """Draft, then the number in the row, then ready; run again on another day, nothing at all happens."""
    before = untouched(fleet)
    code, out, _ = run(*MIGRATE, "--pull-request", "--label", "base-image", "--json")
    assert (code, untouched(fleet)) == (0, before)
    told = {item["name"]: item for item in map(json.loads, out.splitlines())}
    assert told["source-tides"]["pullRequestUrl"] == "https://github.com/acme/connectors/pull/41"
    assert not told["source-tides"]["changelogRowWaits"]
    assert github.done == [f"{verb} {number}" for number in (40, 41) for verb in ("POST", "label", "ready", "PATCH")]
    pull = github.pulls[41]
    assert (pull["draft"], pull["labels"], pull["base"]) == (False, ["base-image"], "main")
    assert "| source-tides | 0.2.4 → 0.2.5 | none → " in pull["body"]
    tips = remote(fleet)
    git(fleet, "fetch", "-q", "origin", TIDES)
    assert "| 0.2.5   | 2024-02-29 | [41](" in git(fleet, "show", f"FETCH_HEAD:{TIDES_PAGE}")
    assert len(git(fleet, "rev-list", "main..FETCH_HEAD").split()) == 1
    done = [*github.done]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1709908000")
        code, out, _ = run(*MIGRATE, "--pull-request", "--label", "base-image")
    assert (code, out.count("unchanged"), remote(fleet), github.done) == (0, 2, tips, done)


@pytest.mark.parametrize(
    "moment",
    [
        "push",
        "GET /repos/{owner}/{repo}/pulls",
        "POST /repos/{owner}/{repo}/pulls",
        "second push",
        "POST /repos/{owner}/{repo}/issues",
        "ready",
        "PATCH",
    ],
)
def test_an_interrupted_delivery_is_finished_by_the_next(
    run: Run, fleet: Path, github: GitHub, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of any step is reported with exit code 1, and repeating the command gives the normal result."""
    pushes = {"push": 1, "second push": 2}.get(moment, 0)
    command = (*MIGRATE[:2], MIGRATE[-1], "--pull-request", "--label=x")
    with monkeypatch.context() as patch:
        left = [pushes]

        def push(ground: Any, branch: Any, commit: str, real: Any = branches.push) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise AirbyteCiError("the cable was pulled")
            return real(ground, branch, commit)

        patch.setattr(branches, "push", push)
        github.fails_at = "" if pushes else moment
        assert run(*command)[0] == 1
    github.fails_at = ""
    code, out, err = run(*command)
    assert (code, err) == (0, ""), out
    (pull,) = github.pulls.values()
    assert (pull["draft"], pull["labels"], "airbyte-ci waits" in pull["body"]) == (False, ["x"], False)
    git(fleet, "fetch", "-q", "origin", TIDES)
    assert f"[{pull['number']}](" in git(fleet, "show", f"FETCH_HEAD:{TIDES_PAGE}")


def test_what_people_did_to_a_pull_request_stays(run: Run, fleet: Path, github: GitHub) -> None:
    """Users may change the title, add text and make it a draft; an unmerged closed pull request stays closed."""
    command = (*MIGRATE[:2], MIGRATE[-1], "--pull-request")
    assert run(*command)[0] == 0
    pull = github.pulls[40]
    pull.update(title="Mine", body=f"Please look.\n\n{pull['body']}\n\nThanks.", draft=True)
    body = pull["body"]
    assert run(*command, "--to", "1.1")[0] == 0  # another base image: branch and our part follow
    assert (pull["title"], pull["draft"]) == ("Mine", True)
    assert pull["body"].startswith("Please look.\n\n<!--")
    assert pull["body"].endswith("-->\n\nThanks.")
    assert pull["body"] != body
    assert list(github.pulls) == [40]
    pull["state"] = "closed"
    code, out, _ = run(*command)
    assert (code, list(github.pulls)) == (1, [40])
    assert "pull request 40 of" in out
    assert "closed without being merged" in out


def test_one_pull_request_where_there_are_no_drafts(run: Run, fleet: Path, github: GitHub) -> None:
    """One branch with a commit of each, all rows with its number; from a plan it is the same files."""
    github.has_drafts = False
    code, out, _ = run(*MIGRATE, "--one-pull-request")
    assert (code, out.count("pull request 40 created")) == (0, 2), out
    assert github.pulls[40]["title"] == "migrate to base image: 2 connectors"
    assert "airbyte-ci waits" not in github.pulls[40]["body"]
    git(fleet, "fetch", "-q", "origin", "airbyte-ci/migrate-to-base-image/all")
    tree = git(fleet, "rev-parse", "FETCH_HEAD^{tree}")
    assert run(*MIGRATE, "--plan", str(fleet.parent / "plan"))[0] == 0
    github.pulls[40]["branch"] = "mine"  # so that the number is the same
    assert run("apply", str(fleet.parent / "plan"), "--one-pull-request", "--branch", "mine")[0] == 0
    git(fleet, "fetch", "-q", "origin", "mine")
    assert git(fleet, "rev-parse", "FETCH_HEAD^{tree}") == tree


def test_connectors_that_share_a_page(run: Run, fleet: Path, github: GitHub) -> None:
    """Each branch has its own row only; one branch has both; a plan of both is refused where branches are apart."""
    tides, parcels = (fleet / CONNECTORS / name / "metadata.yaml" for name in ("source-tides", "source-parcels"))
    url = next(line for line in tides.read_text().splitlines() if "documentationUrl" in line)
    lines = [url if "documentationUrl" in line else line for line in parcels.read_text().splitlines()]
    parcels.write_text("\n".join(lines) + "\n")
    page = fleet / TIDES_PAGE
    own = page.read_text()[page.read_text().lower().index("## changelog") :]
    page.write_text(f"{page.read_text()}\n## Changelog of source-parcels\n{own.partition(chr(10))[2]}")
    commit(fleet)
    git(fleet, "push", "-q", "origin", "main")
    bump = (*MIGRATE[:3], "bump_version", "version:9.0.0", "More")
    code, out, _ = run(*bump, "--pull-request")
    assert code == 0, out
    for number, pull in github.pulls.items():
        git(fleet, "fetch", "-q", "origin", pull["branch"])
        text = git(fleet, "show", f"FETCH_HEAD:{TIDES_PAGE}")
        assert (text.count("9.0.0"), f"[{number}](" in text) == (1, True)
    assert run(*bump, "--one-pull-request")[0] == 0
    git(fleet, "fetch", "-q", "origin", "airbyte-ci/bump-version/all")
    assert git(fleet, "show", f"FETCH_HEAD:{TIDES_PAGE}").count("[42](") == 2
    assert run(*MIGRATE[:3], "bump_version", "version:9.0.0", "7", "More", "--plan", str(fleet.parent / "plan"))[0] == 0
    code, out, _ = run("apply", str(fleet.parent / "plan"), "--branch")
    assert code == 1
    assert "connectors that share a page go into one branch" in out


def test_a_dry_run_says_where_and_does_nothing(run: Run, fleet: Path) -> None:
    """No token, no network: the diff on stdout, the destination on stderr."""
    before, tips = untouched(fleet), remote(fleet)
    code, out, err = run(*MIGRATE, "--pull-request", "--dry-run")
    assert (code, untouched(fleet), remote(fleet)) == (0, before, tips)
    assert out.startswith("diff --git")
    assert f"would be pushed as {TIDES}, for a pull request into main" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--commit", "--branch"], "exclude each other"),
        (["--branch=x", "--pull-request"], "needs a branch for each connector, and 'x' is one branch"),
        (["--push=nowhere"], "cannot push to 'nowhere': there is no git remote"),
        (["--push", "--pull-request"], "--push pushes branches and excludes pull requests"),
        (["--commit", "--push"], "--push pushes branches and excludes --commit"),
        (["--label=x"], "--label needs a pull request"),
        (["7", "--pull-request"], "the forge assigns the number"),
        (["--pull-request", "--plan=x"], "--plan writes a plan file and delivers nothing"),
        (["--pull-request"], "the remote origin is not a GitHub repository"),
    ],
)
def test_wrong_use(run: Run, fleet: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reported before anything is planned, with exit code 2."""
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    before = untouched(fleet)
    code, _, err = run(*MIGRATE, *arguments)
    assert (code, said in err, untouched(fleet)) == (2, True, before)


def test_credentials_of_a_remote_are_not_told(run: Run, fleet: Path, github: GitHub) -> None:
    """Git repeats the address of a remote that fails."""
    git(fleet, "remote", "set-url", "origin", f"http://x:{TOKEN}@127.0.0.1:9/acme/connectors.git")
    code, _, err = run(*MIGRATE, "--pull-request")
    assert (code, "127.0.0.1:9" in err) == (1, True)


def test_the_page_shows_what_happens(run: Run, fleet: Path, github: GitHub, tmp_path: Path) -> None:
    """Every command of docs/delivery.md, each in the fleet as it was pushed, succeeds and prints the documented output,
    if any; working tree and current branch end as the page's table documents.
    """
    steps = console.steps((Path(__file__).parents[2] / "docs/delivery.md").read_text())
    assert len(steps) >= 6
    head = git(fleet, "rev-parse", "HEAD")
    for step in steps:
        git(fleet, "reset", "-q", "--hard", "origin/main")
        before = untouched(fleet)
        code, out, err = run(*shlex.split(step.command)[1:])
        assert code == 0, (step.command, out, err)
        assert not step.output or console.same(out) == console.same(step.output), step.command
        if "--commit" in step.command:
            assert git(fleet, "rev-parse", "HEAD^") == head
            assert not git(fleet, "status", "--porcelain")
        else:
            assert untouched(fleet) == before, step.command
