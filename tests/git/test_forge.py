"""The forge of a repository: from a remote's address to the addresses of its pages."""

import subprocess
from pathlib import Path

import pytest

from airbyte_ci.git import forge

GITHUB, GITLAB = "https://github.com/acme/x/pull/{number}", "https://gitlab.com/acme/x/-/merge_requests/{number}"
BITBUCKET = "https://bitbucket.org/acme/x/pull-requests/{number}"
AZURE = "https://dev.azure.com/acme/data/_git/x/pullrequest/{number}"
SERVER = "https://bitbucket.acme.example/projects/DATA/repos/x/pull-requests/{number}"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def add_remote(repository: Path, url: str, name: str = "origin") -> None:
    subprocess.run(["git", "-C", str(repository), "remote", "add", name, url], check=True)


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/acme/x.git", GITHUB),
        ("https://github.com/acme/x", GITHUB),
        ("https://github.com/acme/x/", GITHUB),
        ("https://user:secret@github.com/acme/x.git", GITHUB),
        ("https://secret@github.com/acme/x.git", GITHUB),
        ("git@github.com:acme/x.git", GITHUB),
        ("github.com:acme/x.git", GITHUB),
        ("org-4711@github.com:acme/x.git", GITHUB),
        ("ssh://git@github.com/acme/x.git", GITHUB),
        ("ssh://git@ssh.github.com:443/acme/x.git", GITHUB),
        ("git@github.com:/acme/x.git", GITHUB),
        ("https://ghe.acme.example/acme/x", "https://ghe.acme.example/acme/x/pull/{number}"),
        ("git@gitlab.com:acme/x.git", GITLAB),
        ("https://oauth2:token@gitlab.com/acme/x.git", GITLAB),
        ("ssh://git@altssh.gitlab.com:443/acme/x.git", GITLAB),
        ("git@gitlab.com:a/b/c/x.git", "https://gitlab.com/a/b/c/x/-/merge_requests/{number}"),
        ("http://gitlab.acme.example:8443/a/x", "https://gitlab.acme.example:8443/a/x/-/merge_requests/{number}"),
        ("ssh://git@gitlab.acme.example:2222/a/x", "https://gitlab.acme.example/a/x/-/merge_requests/{number}"),
        ("git@bitbucket.org:acme/x.git", BITBUCKET),
        ("https://me@bitbucket.org/acme/x.git", BITBUCKET),
        ("ssh://git@bitbucket.acme.example:7999/data/x.git", SERVER),
        ("https://me@bitbucket.acme.example/scm/data/x.git", SERVER),
        ("https://bitbucket.acme.example/scm/~zoe/x.git", SERVER.replace("projects/DATA", "users/zoe")),
        ("https://acme@dev.azure.com/acme/data/_git/x", AZURE),
        ("git@ssh.dev.azure.com:v3/acme/data/x", AZURE),
        ("acme@vs-ssh.visualstudio.com:v3/acme/data/x", AZURE),
        ("https://acme.visualstudio.com/data/_git/x", AZURE),
        ("https://acme.visualstudio.com/DefaultCollection/data/_git/x", AZURE),
        ("https://dev.azure.com/acme/_git/x", AZURE.replace("data", "x")),
        ("https://dev.azure.com/acme/my%20data/_git/x", AZURE.replace("data", "my%20data")),
        ("git@codeberg.org:acme/x.git", "https://codeberg.org/acme/x/pulls/{number}"),
        ("https://git.forgejo.acme.example/acme/x", "https://git.forgejo.acme.example/acme/x/pulls/{number}"),
        ("git@github-work:acme/x.git", GITHUB),
        ("git@github.com-work:acme/x.git", GITHUB),
        ("git@gitlab_work:acme/x.git", GITLAB),
        ("ssh://git@work-bitbucket/acme/x.git", BITBUCKET),
        ("https://git.acme.example/acme/x.git", None),
        ("git@git.acme.example:group/sub/x.git", None),
        ("git@work:acme/x.git", None),
        ("/srv/git/x.git", None),
        ("file:///srv/git/x.git", None),
        ("../x", None),
        ("C:/git/x", None),
    ],
)
def test_pull_requests_are_where_the_remote_is(repository: Path, remote: str, expected: str | None) -> None:
    """Each forge has its own form of address, credentials never get into it, and an unknown host has none."""
    add_remote(repository, remote)
    assert forge.pull_request_url(repository) == expected


def test_an_alias_leads_where_openssh_goes(repository: Path, tmp_path: Path) -> None:
    """The name of an SSH remote is resolved by OpenSSH's own configuration, for any alias."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host work\n  HostName gitlab.com\nHost *\n  User git\n")
    add_remote(repository, "work:acme/x.git")
    found = forge.of(repository, {"HOME": str(tmp_path)})
    assert found is not None
    assert found.pull_request_url == GITLAB


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([".gitlab-ci.yml"], "https://git.acme.example/acme/x/-/merge_requests/{number}"),
        ([".github/workflows/test.yml"], "https://git.acme.example/acme/x/pull/{number}"),
        ([".forgejo/workflows/test.yml"], "https://git.acme.example/acme/x/pulls/{number}"),
        ([".gitlab-ci.yml", ".github/workflows/test.yml"], None),
    ],
)
def test_a_host_of_any_name_is_known_by_the_files_that_it_reads(
    repository: Path, files: list[str], expected: str | None
) -> None:
    """CI files of one forge identify an unknown host; those of two do not."""
    add_remote(repository, "git@git.acme.example:acme/x.git")
    for name in files:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).touch()
    assert forge.pull_request_url(repository) == expected


def test_the_only_remote_may_have_any_name(repository: Path) -> None:
    """`origin` is used where there is one, a single remote otherwise, and of several others none."""
    assert forge.of(repository) is None
    add_remote(repository, "git@gitlab.com:acme/x.git", "work")
    assert forge.pull_request_url(repository) == GITLAB
    add_remote(repository, "git@github.com:other/x.git", "fork")
    assert forge.of(repository) is None
    add_remote(repository, "git@github.com:acme/x.git")
    assert forge.pull_request_url(repository) == GITHUB
