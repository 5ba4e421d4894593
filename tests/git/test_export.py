"""A folder of a commit is written as it was, wherever the repository's root is."""

import subprocess
from pathlib import Path

import pytest

from airbyte_ci.errors import UsageError
from airbyte_ci.git.export import export_folder
from tests.e2e.command import GIT


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run([*GIT, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_commits_folder_is_written(tmp_path: Path) -> None:
    """Files, modes and links are those of the commit, also if the root is below the top of the working tree."""
    top = tmp_path / "top"
    folder = top / "fleet/connectors/one"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM old\n")
    (folder / "run.sh").write_text("run\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("run.sh")
    _git(top, "init", "-q")
    _git(top, "add", "-A")
    _git(top, "commit", "-qm", "first")
    commit = _git(top, "rev-parse", "HEAD")
    (folder / "Dockerfile").unlink()
    for number, (root, relative) in enumerate(((top, "fleet/connectors/one"), (top / "fleet", "connectors/one"))):
        target = tmp_path / str(number)
        target.mkdir()
        export_folder(root, commit, relative, target)
        assert sorted(path.name for path in target.iterdir()) == ["Dockerfile", "link", "run.sh"]
        assert (target / "run.sh").stat().st_mode & 0o111 and (target / "link").readlink() == Path("run.sh")
    (tmp_path / "whole").mkdir()
    export_folder(folder, commit, ".", tmp_path / "whole")
    assert (tmp_path / "whole/Dockerfile").is_file()
    with pytest.raises(UsageError, match="cannot read missing"):
        export_folder(top, commit, "missing", tmp_path / "whole")
