"""git's facts: whether a file is safe, and where pull requests are."""

import os
import subprocess
from pathlib import Path

import pytest

from airbyte_ci.errors import ConnectorError
from airbyte_ci.git import git


def run(root: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-C", str(root), "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments],
        check=True,
        capture_output=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"},
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with one committed file, `Dockerfile` in a folder with a blank in its name."""
    file = tmp_path / "a folder" / "Dockerfile"
    file.parent.mkdir()
    file.write_text("FROM python:3.9\n")
    (tmp_path / ".gitignore").write_text("ignored\n")
    run(tmp_path, "init", "-q")
    run(tmp_path, "add", ".")
    run(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_file_is_safe_when_it_is_as_committed(repository: Path) -> None:
    """Unchanged is None; a change is `modified`, staged or not; a file that git does not track is `untracked`."""
    file = repository / "a folder" / "Dockerfile"
    assert git.uncommitted(repository, file) is None
    file.write_text("FROM python:3.10\n")
    assert git.uncommitted(repository, file) == "modified"
    run(repository, "add", ".")
    assert git.uncommitted(repository, file) == "modified"
    for name in ("new", "ignored"):
        (repository / name).touch()
        assert git.uncommitted(repository, repository / name) == "untracked"


def test_a_staged_new_file_is_not_safe(repository: Path) -> None:
    """Only a commit keeps a file: what is merely added would be lost."""
    (repository / "new").touch()
    run(repository, "add", "new")
    assert git.uncommitted(repository, repository / "new") == "modified"


def test_without_git_nothing_is_known(tmp_path: Path) -> None:
    """No repository: no state."""
    (tmp_path / "Dockerfile").touch()
    assert git.uncommitted(tmp_path, tmp_path / "Dockerfile") is None


def test_a_repository_that_git_does_not_read_is_an_error(tmp_path: Path) -> None:
    """An unreadable repository (a broken checkout, another owner) is not the same as a safe file."""
    (tmp_path / ".git").write_text("gitdir: /nonexistent\n")
    (tmp_path / "Dockerfile").touch()
    with pytest.raises(ConnectorError, match=r"cannot find out whether .*Dockerfile is committed: fatal: "):
        git.uncommitted(tmp_path, tmp_path / "Dockerfile")


def test_the_repository_of_a_git_hook_is_not_asked(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git's hooks run with GIT_DIR set; the given repository is used, not that one."""
    monkeypatch.setenv("GIT_DIR", "/nonexistent/.git")
    assert git.uncommitted(repository, repository / "a folder" / "Dockerfile") is None
