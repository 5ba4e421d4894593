"""The commit that is checked out, and what differs from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.git import git


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit by its full id; `time` is its time of commit in seconds since the epoch."""

    id: str
    time: int


def head(root: Path) -> Commit | None:
    """Returns the checked-out commit; None without git, a repository or a commit."""
    answer = git.ask(root, "log", "-1", "--no-show-signature", "--format=%H %ct")
    if answer is None or answer.returncode:
        return None
    commit, _, time = answer.stdout.decode().strip().partition(" ")
    return Commit(commit, int(time)) if time.isdigit() else None


def uncommitted_files(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Returns the files below the paths that differ from the commit, by path below `root`; ignored ones excluded."""
    answer = git.ask(root, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", *paths)
    if answer is None or answer.returncode:
        return ()
    prefix = git.ask(root, "rev-parse", "--show-prefix")
    start = prefix.stdout.decode("utf-8", "surrogateescape").strip("\n") if prefix else ""
    names = (entry[3:].decode("utf-8", "surrogateescape") for entry in answer.stdout.split(b"\0") if entry)
    return tuple(sorted(name.removeprefix(start) for name in names))


def ignored_files(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Returns the files below the paths that git ignores, by path below `root`."""
    if not paths:
        return ()
    command = ("ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--", *paths)
    answer = git.ask(root, *command)
    if answer is None or answer.returncode:
        return ()
    return tuple(name.decode("utf-8", "surrogateescape") for name in answer.stdout.split(b"\0") if name)
