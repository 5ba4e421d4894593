"""Writes the files of a commit to a folder, without touching the working tree."""

import subprocess
import tarfile
from pathlib import Path

from airbyte_ci.errors import UsageError
from airbyte_ci.git import git


def export_folder(root: Path, commit: str, folder: str, target: Path) -> None:
    """Writes a folder of a commit (posix, relative to `root`) to an existing, empty folder.

    Raises UsageError if the commit does not have it.
    """
    tree = _tree(root, commit, folder)
    if tree is None:
        raise UsageError(f"cannot read {folder}: commit {commit[:10]} does not have it")
    # In git's own folder, because a working folder of another commit would be searched in the tree.
    command = ["git", "--git-dir", _git_folder(root), "archive", "--format=tar", tree]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=git.environment()) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                archive.extractall(target, filter="data")
        except tarfile.ReadError:
            pass  # git failed; its message has the reason
        except BaseException:
            process.kill()
            raise
        reason = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise UsageError(f"cannot read {folder} at commit {commit[:10]}: {reason}")


def exists_at(root: Path, commit: str, folder: str) -> bool:
    """Returns whether a commit has a folder (posix, relative to `root`)."""
    return _tree(root, commit, folder) is not None


def _tree(root: Path, commit: str, folder: str) -> str | None:
    # With the dot, the folder is relative to `root`, which may be below the top of git's working tree.
    found = git.ask(root, "rev-parse", "--verify", f"{commit}:./{'' if folder == '.' else folder}")
    return found.stdout.decode().strip() if found and not found.returncode else None


def _git_folder(root: Path) -> str:
    found = git.ask(root, "rev-parse", "--absolute-git-dir")
    return found.stdout.decode().strip() if found else ""
