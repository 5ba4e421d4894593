"""The commit that is checked out, and what differs from it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.errors import ConnectorError
from airbyte_ci.git import git


@dataclass(frozen=True, slots=True)
class CheckedOutCommit:
    """A commit by its full id; `time` is its time of commit in seconds since the epoch."""

    id: str
    time: int


def head(root: Path) -> CheckedOutCommit | None:
    """Returns the checked-out commit; None without git, a repository or a commit."""
    answer = git.ask(root, "log", "-1", "--no-show-signature", "--format=%H %ct")
    if answer is None or answer.returncode:
        return None
    commit, _, time = answer.stdout.decode().strip().partition(" ")
    return CheckedOutCommit(commit, int(time)) if time.isdigit() else None


def uncommitted_files(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Returns the files below the paths that differ from the commit, by path below `root`; ignored ones excluded.

    Raises ConnectorError if git cannot tell.
    """
    command = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", *paths)
    prefix = os.fsdecode(_asked(root, "rev-parse", "--show-prefix")).strip("\n")
    names = (os.fsdecode(entry[3:]) for entry in _asked(root, *command).split(b"\0") if entry)
    return tuple(sorted(name.removeprefix(prefix) for name in names))


def ignored_files(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Returns the files below the paths that git ignores, by path below `root`; raises ConnectorError."""
    if not paths:
        return ()
    command = ("ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--", *paths)
    return tuple(os.fsdecode(name) for name in _asked(root, *command).split(b"\0") if name)


def _asked(root: Path, *command: str) -> bytes:
    answer = git.ask(root, *command)
    if answer is None or answer.returncode:
        told = answer.stderr.decode(errors="replace").strip().splitlines()[:1] if answer else ["git is not installed"]
        raise ConnectorError(f"cannot find uncommitted files in {root}: {''.join(told)}")
    return answer.stdout
