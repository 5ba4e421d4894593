"""The connectors that a branch modifies, from the files that git reports."""

import subprocess
from pathlib import Path

import pytest

from airbyte_ci.connectors.modified import changes_metadata, modified_files
from airbyte_ci.connectors.select import Selection, select
from airbyte_ci.errors import UsageError
from airbyte_ci.git import git, history
from tests.connectors.fleets import MONOREPO, connector
from tests.git.test_git import run

FLEET = [
    connector("source-a"),
    connector("source-a-strict-encrypt"),
    connector("source-ab"),
    connector("source-old", supportLevel="archived"),
]
PAGES = {"source-a": "docs/a.md", "source-a-strict-encrypt": "docs/a.md", "source-old": "docs/old.md"}


@pytest.mark.parametrize(
    ("changed", "modified"),
    [
        ([f"{MONOREPO}/source-ab/source_ab/source.py"], ["source-ab"]),
        ([f"{MONOREPO}/source-a/metadata.yaml"], ["source-a", "source-a-strict-encrypt"]),
        ([f"{MONOREPO}/source-a-strict-encrypt/main.py"], ["source-a", "source-a-strict-encrypt"]),
        ([f"{MONOREPO}/source-ab/README.md"], []),
        (["docs/a.md"], ["source-a", "source-a-strict-encrypt"]),
        (["docs/other.md", "README.md", f"{MONOREPO}/x.py"], []),
        ([f"{MONOREPO}/source-old/main.py", "docs/old.md"], []),
    ],
)
def test_whom_a_file_modifies(changed: list[str], modified: list[str]) -> None:
    """Files of the folder and the page do, other Markdown does not; archived never; a variant goes with its base."""
    found = modified_files(FLEET, set(changed), lambda item: PAGES.get(item.name))
    assert sorted(folder.rpartition("/")[2] for folder in found) == modified


def test_a_repository_of_one_connector() -> None:
    """Everything in it is the connector's."""
    alone = connector("source-x")
    alone = type(alone)(alone.name, alone.folder, ".", alone.data, alone.names)
    assert modified_files([alone], {"main.py"}, lambda _: None) == {".": ("main.py",)}
    assert changes_metadata(("metadata.yaml",))


def test_selection_of_what_is_modified() -> None:
    """Combined with the other filters; without modified connectors nothing is selected; git runs only if needed."""
    files: dict[str, tuple[str, ...]] = {
        f"{MONOREPO}/source-a": (f"{MONOREPO}/source-a/metadata.yaml",),
        f"{MONOREPO}/source-ab": ("x.py",),
    }
    asked = []

    def modified() -> dict[str, tuple[str, ...]]:
        asked.append(1)
        return files

    def names(selection: Selection) -> list[str]:
        return [item.name for item in select(FLEET, selection, modified=modified).connectors]

    assert len(names(Selection())) == 4
    assert asked == []
    assert names(Selection(modified=True)) == ["source-a", "source-ab"]
    assert names(Selection(metadata_changes=True)) == ["source-a"]
    assert names(Selection(modified=True, names=("source-ab",))) == ["source-ab"]
    files.clear()
    assert names(Selection(modified=True, query="data.x is None")) == []


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a repository whose main branch went on after the clone's branch left it."""
    origin = tmp_path / "origin"
    origin.mkdir()
    run(origin, "init", "-q", "-b", "trunk")
    for name in ("kept", "deleted", "moved"):
        (origin / f"{name}.txt").write_text(f"{name} one two three four five\n" * 9)
    run(origin, "add", ".")
    run(origin, "commit", "-qm", "first")
    subprocess.run(["git", "clone", "-q", str(origin), str(tmp_path / "clone")], check=True)
    (origin / "kept.txt").write_text("main went on\n")
    run(origin, "commit", "-qam", "second")
    run(tmp_path / "clone", "fetch", "-q")
    return tmp_path / "clone"


def test_what_changed_since_the_fork(clone: Path) -> None:
    """Committed, staged, unstaged and untracked changes are included, both names of a rename; main's own are not."""
    run(clone, "checkout", "-q", "-b", "work")
    (clone / "committed.txt").touch()
    run(clone, "mv", "moved.txt", "übrig und neu.txt")
    run(clone, "add", "-A")
    run(clone, "commit", "-qm", "work")
    (clone / "staged.txt").touch()
    run(clone, "add", "staged.txt")
    (clone / "deleted.txt").unlink()
    (clone / "untracked.txt").touch()
    (clone / ".gitignore").write_text("ignored.txt\n")
    (clone / "ignored.txt").touch()
    fork = history.fork_point(clone, None)
    expected = {"committed.txt", "moved.txt", "übrig und neu.txt", "staged.txt", "deleted.txt", "untracked.txt"}
    assert history.changed_files(clone, fork) == expected | {".gitignore"}
    assert history.fork_point(clone, "trunk") == fork
    assert git.committed(clone, fork, ["kept.txt", "none", "committed.txt"])["kept.txt"].startswith(b"kept one")


def test_paths_are_below_the_configured_root(clone: Path) -> None:
    """If the connectors' repository is a folder of another one, paths start there."""
    (clone / "sub").mkdir()
    (clone / "sub/x.txt").touch()
    (clone / "outside.txt").touch()
    run(clone, "add", "-A")
    run(clone, "commit", "-qm", "work")
    fork = history.fork_point(clone / "sub", None)
    assert history.changed_files(clone / "sub", fork) == {"x.txt"}
    assert list(git.committed(clone / "sub", "HEAD", ["x.txt", "outside.txt"])) == ["x.txt"]


def test_a_branch_that_is_not_there_is_wrong_usage(clone: Path, tmp_path: Path) -> None:
    """The name is reported with advice; so is a folder without git, and a history without a common commit."""
    with pytest.raises(UsageError, match="cannot compare with nowhere: no such branch") as caught:
        history.fork_point(clone, "nowhere")
    assert "--diffed-branch" in (caught.value.advice or "")
    (tmp_path / "bare").mkdir()
    with pytest.raises(UsageError, match="is not a git repository"):
        history.fork_point(tmp_path / "bare", None)
    assert history.fork_point_if_known(tmp_path / "bare", None) is None
    run(clone, "checkout", "-q", "--orphan", "alone")
    run(clone, "commit", "-qm", "alone")
    with pytest.raises(UsageError, match="no common commit"):
        history.fork_point(clone, None)


def test_a_remote_without_a_head(clone: Path) -> None:
    """A CI checkout has none: origin's main or master is used, and without these the branch must be named."""
    run(clone, "remote", "set-head", "origin", "--delete")
    with pytest.raises(UsageError, match="no remote names its main branch"):
        history.fork_point(clone, None)
    run(clone, "update-ref", "refs/remotes/origin/master", "HEAD")
    assert history.fork_point(clone, None)
