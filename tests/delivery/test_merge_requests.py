"""Merge requests on GitLab, and branches on forges whose requests a person opens."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.campaigns.delivery.connect import connect
from airbyte_ci.campaigns.delivery.merge_requests import MergeRequests
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.git import forge, gitlab
from airbyte_ci.git.gitlab import GitLabProject
from tests.campaigns.repositories import git
from tests.delivery.conftest import Run
from tests.github.hub import TOKEN
from tests.gitlab import double
from tests.gitlab.double import PROJECT, GitLab, Refusal

TIDES = "airbyte-ci/migrate-to-base-image/source-tides"
PAGE = "docs/integrations/sources/tides.md"
MIGRATE = ("connectors", "--name=source-tides", "migrate_to_base_image", "--pull-request")
VARIABLES = ("GITHUB_REPOSITORY", "GITLAB_HOST", "CI_SERVER_URL", "CI_API_V4_URL", "CI_PROJECT_PATH", "CI_JOB_TOKEN")


def set_remote(fleet: Path, url: str) -> None:
    """Gives `origin` the address of a forge; git itself uses the bare repository."""
    git(fleet, "config", f"url.file://{fleet.parent}/remote.git.insteadOf", url)
    git(fleet, "remote", "set-url", "origin", url)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitLab]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with double.running(TOKEN) as state:
        monkeypatch.setenv("GITLAB_HOST", state.site)
        monkeypatch.setenv("GITLAB_TOKEN", TOKEN)
        yield state


@pytest.fixture
def lab(fleet: Path, server: GitLab) -> GitLab:
    """A GitLab that has the fleet's remote."""
    set_remote(fleet, f"{server.site}/{PROJECT}.git")
    return server


def test_merge_requests_have_their_numbers_in_the_changelog(run: Run, fleet: Path, lab: GitLab) -> None:
    """Draft, number in the row, ready, in two writes; then nothing; an interrupted run is finished by the next."""
    lab.refusal = Refusal("PUT merge_requests", 500, {"message": "500 Internal Server Error"})
    code, out, _ = run(*MIGRATE, "--label", "base-image")
    assert (code, "finishing merge request 7 in acme/data/connectors on 127.0.0.1" in out) == (1, True)
    assert lab.merges[7]["title"].startswith("Draft: ")
    lab.refusal = None
    code, out, _ = run(*MIGRATE, "--label", "base-image", "--json")
    assert json.loads(out)["pullRequestUrl"] == f"{lab.site}/{PROJECT}/-/merge_requests/7"
    assert (code, lab.done) == (0, ["POST 7", "PUT 7"])
    merge = lab.merges[7]
    assert (merge["title"][:6], merge["labels"], "airbyte-ci waits" in merge["description"]) == (
        "source",
        ["base-image"],
        False,
    )
    git(fleet, "fetch", "-q", "origin", TIDES)
    # The address takes the form of the page's other rows.
    assert "| 0.2.5   | 2024-02-29 | [7](" in git(fleet, "show", f"FETCH_HEAD:{PAGE}")
    code, out, _ = run(*MIGRATE, "--label", "base-image")
    assert (code, "merge request 7 unchanged" in out, len(lab.done)) == (0, True, 2)


def test_what_people_did_to_a_merge_request_stays(run: Run, fleet: Path, lab: GitLab) -> None:
    """Title, text and draft status are theirs; a closed one stays closed, and one of a fork is another one."""
    lab.add(TIDES, source_project_id=99, state="closed")
    assert run(*MIGRATE)[0] == 0
    merge = lab.merges[8]
    merge.update(title="[Draft] Mine", description=f"Please look.\r\n\r\n{merge['description']}\r\n\r\nThanks.")
    assert run(*MIGRATE, "--to", "1.1")[0] == 0
    assert (merge["title"], list(lab.merges)) == ("[Draft] Mine", [7, 8])
    assert merge["description"].startswith("Please look.\n\n<!--")
    assert merge["description"].endswith("-->\n\nThanks.")
    merge["state"] = "closed"
    code, out, _ = run(*MIGRATE)
    assert (code, list(lab.merges)) == (1, [7, 8])
    assert f"merge request 8 of {TIDES} was closed without being merged" in out
    merge["state"] = "merged"
    assert run(*MIGRATE)[0] == 0
    assert list(lab.merges) == [7, 8, 9]


def test_an_open_merge_request_is_found_on_any_page(server: GitLab) -> None:
    """The list has pages, and only their end says that a branch has no open merge request."""
    server.page_size = 2
    server.add("x", title="Draft: x")
    for _ in range(5):
        server.add("x", state="closed")
    requests = MergeRequests(GitLabProject(f"{server.site}/api/v4", PROJECT, TOKEN), "main")
    found = requests.of("x")
    assert found
    assert found.number == 7


HTML = "<html>Bad Gateway</html>"


@pytest.mark.parametrize(
    ("status", "content", "headers", "said", "advice"),
    [
        (401, {"message": "401 Unauthorized"}, {}, "the token is not valid (401", "set GITLAB_TOKEN"),
        (403, {"error": "insufficient_scope", "error_description": "needs api"}, {}, "403 needs api", "scope api"),
        (404, {"message": "404 Project Not Found"}, {}, "404 404 Project Not Found", "scope api"),
        (409, {"message": ["Another open one exists: !5"]}, {}, "409 Another open one exists: !5", "run it again"),
        (400, {"message": {"title": ["is too long"]}}, {}, "400 title is too long", "run it again"),
        (422, None, {}, "422", "run it again"),
        (429, {"message": "Too many"}, {"Retry-After": "3600"}, "429 Too many", "run it again in 3600 s"),
        (429, "Retry later", {}, "429", "run it again later"),
        (502, HTML, {}, "502 Bad Gateway", "run it again"),
        (301, HTML, {"Location": "https://evil.example/"}, "the project has moved", "git remote set-url"),
        (200, HTML, {}, "does not answer as GitLab does", "GITLAB_HOST"),
    ],
)
def test_a_refusal_is_one_clear_line(
    server: GitLab,
    status: int,
    content: Any,
    headers: dict[str, str],
    said: str,
    advice: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It names the action, the project and GitLab's reason, gives advice, and follows no redirect with the token."""
    monkeypatch.setattr(gitlab, "_PAUSE", 0)
    server.refusal = Refusal("", status, content, headers)
    requests = MergeRequests(GitLabProject(f"{server.site}/api/v4", PROJECT, TOKEN), "main")
    with pytest.raises(AirbyteCiError) as caught:
        requests.open("x", "x", "x") if status in (409, 400) else requests.of("x")
    message = caught.value.message
    assert "merge request of x in acme/data/connectors on 127.0.0.1" in message
    assert said in message
    assert "\n" not in message
    assert advice in str(caught.value.advice)


def test_requests_are_repeated_where_nothing_was_done(server: GitLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that GitLab names, and after failed reads; a failed write might have been executed."""
    monkeypatch.setattr(gitlab, "_PAUSE", 0)
    requests = MergeRequests(GitLabProject(f"{server.site}/api/v4", PROJECT, TOKEN), "main")
    server.refusal = Refusal("GET", 503, None, times=2)
    assert requests.of("x") is None
    server.refusal = Refusal("POST", 429, None, {"Retry-After": "0"}, times=1)
    assert requests.open("x", "x", "x").number == 7
    server.refusal = Refusal("POST", 503, None, times=1)
    with pytest.raises(AirbyteCiError):
        requests.open("y", "y", "y")


def test_a_server_that_is_away_is_one_line() -> None:
    """Nobody listens on the port."""
    requests = MergeRequests(GitLabProject("http://127.0.0.1:9/api/v4", PROJECT, TOKEN), "main")
    with pytest.raises(AirbyteCiError, match="ConnectionError: GitLab does not answer"):
        requests.of("x")


@pytest.mark.parametrize(
    ("variables", "said"),
    [({}, "no token is set"), ({"CI_JOB_TOKEN": TOKEN}, "GitLab does not accept CI_JOB_TOKEN for this")],
)
def test_a_missing_token_is_reported_first(
    run: Run, lab: GitLab, variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is planned or pushed: the token of a GitLab job cannot open merge requests."""
    monkeypatch.delenv("GITLAB_TOKEN")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, _, err = run(*MIGRATE)
    assert (code, said in err, lab.done) == (2, True, [])


def test_a_host_that_nothing_identifies_is_named(tmp_path: Path) -> None:
    """With GitLab's token only, the advice is the variable that names the server."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "remote", "add", "origin", "git@code.acme.example:a/b")
    with pytest.raises(UsageError) as caught:
        connect(tmp_path, {"GITLAB_TOKEN": TOKEN}, "main")
    assert caught.value.advice == "export GITLAB_HOST=code.acme.example"


@pytest.mark.parametrize(
    ("remote", "environment", "expected"),
    [
        ("git@gitlab.com:a/b/c.git", {}, ("https://gitlab.com/api/v4", "a/b/c")),
        ("https://gitlab.acme.example:8443/a/b", {}, ("https://gitlab.acme.example:8443/api/v4", "a/b")),
        ("ssh://git@code.acme.example:2222/a/b", {"GITLAB_HOST": "code.acme.example"}, "https://code.acme.example"),
        ("git@code.acme.example:a/b", {"GITLAB_HOST": "http://code.acme.example:81"}, "http://code.acme.example:81"),
        (
            "https://gitlab-ci-token:x@acme.example/lab/a/b.git",
            {"CI_SERVER_URL": "https://acme.example/lab", "CI_API_V4_URL": "https://acme.example/lab/api/v4"},
            ("https://acme.example/lab/api/v4", "a/b"),
        ),
        ("git@acme.example:a/b", {"GITLAB_HOST": "https://acme.example/lab/"}, "https://acme.example/lab"),
        ("https://acme.example/lab/a/b", {"GITLAB_HOST": "https://acme.example/lab"}, "https://acme.example/lab"),
        ("../x.git", {"CI_API_V4_URL": "https://l.example/api/v4", "CI_PROJECT_PATH": "a/b"}, "https://l.example"),
        ("git@github.com:a/b", {"CI_API_V4_URL": "https://l.example/api/v4", "CI_PROJECT_PATH": "a/b"}, None),
        ("git@code.acme.example:a/b", {"GITLAB_HOST": "other.example"}, None),
    ],
)
def test_the_project_is_where_the_remote_is(
    tmp_path: Path, remote: str, environment: dict[str, str], expected: tuple[str, str] | str | None
) -> None:
    """The variables of a GitLab job tell the server's address; they never lead to a project of another host."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "remote", "add", "origin", remote)
    found = gitlab.project(forge.of(tmp_path, environment), {**environment, "GITLAB_TOKEN": TOKEN})
    if isinstance(expected, str):
        expected = (f"{expected}/api/v4", "a/b")
    assert (None if found is None else (found.api, found.path)) == expected
    assert TOKEN not in repr(found)


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        (
            "git@bitbucket.org:acme/x.git",
            "https://bitbucket.org/acme/x/pull-requests/new?source=ann%2Fsource-tides&dest=main",
        ),
        (
            "https://bitbucket.acme.example/scm/team/x.git",
            "https://bitbucket.acme.example/projects/TEAM/repos/x/pull-requests?create"
            "&sourceBranch=refs%2Fheads%2Fann%2Fsource-tides&targetBranch=refs%2Fheads%2Fmain",
        ),
        (
            "https://dev.azure.com/acme/data/_git/x",
            "https://dev.azure.com/acme/data/_git/x/pullrequestcreate?sourceRef=ann%2Fsource-tides&targetRef=main",
        ),
        ("https://codeberg.org/acme/x.git", "https://codeberg.org/acme/x/compare/main...ann/source-tides"),
    ],
)
def test_elsewhere_the_branch_is_pushed_and_the_address_is_printed(
    run: Run, fleet: Path, remote: str, address: str
) -> None:
    """A person opens the request; no token is needed, and a label that cannot be added is reported."""
    set_remote(fleet, remote)
    assert connect(fleet, {}, "main") is None
    code, out, err = run(*MIGRATE, "--branch", "ann/{connector}", "--label", "x")
    assert code == 0, err
    assert "airbyte-ci opens no pull requests on" in err
    assert "does not add the label x" in err
    assert "branch ann/source-tides created on origin" in out
    assert f"→ open {address}\n" in out
    assert "refs/heads/ann/source-tides" in git(fleet, "ls-remote", "origin")
