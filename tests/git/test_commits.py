"""The checked-out commit, and the files that differ from it."""

import subprocess
from pathlib import Path

import pytest

from airbyte_ci.errors import ConnectorError
from airbyte_ci.git import commits

GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.com")


def git(folder: Path, *arguments: str) -> str:
    finished = subprocess.run([*GIT, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return finished.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose root for airbyte-ci is the folder `sub`."""
    root = tmp_path / "repository" / "sub"
    (root / "a b").mkdir(parents=True)
    (root / "a b" / "é.txt").write_text("1")
    (root / "other.txt").write_text("1")
    (root / ".gitignore").write_text("*.bin\n")
    git(root, "init", "-q", "-b", "main", "..")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


def test_the_head_has_its_time(repository: Path) -> None:
    """The commit is named in full, with its time of commit."""
    found = commits.head(repository)
    assert found is not None
    assert found.id == git(repository, "rev-parse", "HEAD")
    assert found.time == int(git(repository, "log", "-1", "--format=%ct"))
    assert commits.head(repository.parent.parent) is None


@pytest.mark.parametrize("is_link", [False, True])
def test_changes_are_named_below_the_root(repository: Path, tmp_path: Path, *, is_link: bool) -> None:
    """Edited, staged, removed and new files differ; ignored ones are listed apart. The root may be a link."""
    (repository / "a b" / "é.txt").write_text("2")
    (repository / "a b" / "new.txt").write_text("")
    (repository / "a b" / "x.bin").write_text("")
    (repository / "other.txt").unlink()
    root = repository
    if is_link:
        root = tmp_path / "link"
        root.symlink_to(repository)
    assert commits.uncommitted_files(root, ["a b"]) == ("a b/new.txt", "a b/é.txt")
    assert commits.uncommitted_files(root, ["."]) == ("a b/new.txt", "a b/é.txt", "other.txt")
    assert commits.ignored_files(root, ["a b"]) == ("a b/x.bin",)
    git(repository, "add", "-A")
    assert commits.uncommitted_files(root, ["a b"]) == ("a b/new.txt", "a b/é.txt")


def test_what_git_cannot_tell_is_an_error(repository: Path) -> None:
    """A path outside of the repository is never taken as committed."""
    with pytest.raises(ConnectorError, match="cannot find uncommitted files"):
        commits.uncommitted_files(repository, ["../../outside"])
