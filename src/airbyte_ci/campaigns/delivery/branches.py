"""The branches of airbyte-ci, here and on the `origin` remote: finds, verifies and moves them safely."""

import dataclasses
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.campaigns.delivery import commits
from airbyte_ci.campaigns.delivery.commits import Commit
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.git import git

REMOTE = "origin"
_NONE = "0" * 40
# GitHub, GitLab, Bitbucket and Gitea answer a push with the page for a new pull request.
_ANSWERED = re.compile(r"^remote:.*?(https?://[^\s\x1b]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ground:
    """The base of branches: the commit `base` of the repository at `root`, which forked from the branch `target`.

    `main` is the commit of `target` on `remote`, if it was queried.
    """

    root: Path
    base: str
    target: str
    main: str | None = None
    remote: str = REMOTE


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch and its commits above the base; `tip` is None if it does not exist yet."""

    name: str
    tip: str | None
    commits: tuple[Commit, ...] = ()


def local(ground: Ground, name: str) -> Branch:
    """Returns the branch in this repository. Raises AirbyteCiError."""
    _refuse_bad_name(ground, name)
    answer = git.ask(ground.root, "rev-parse", "--verify", "--quiet", f"refs/heads/{name}^{{commit}}")
    tip = answer.stdout.decode().strip() if answer is not None and answer.returncode == 0 else None
    return _read(ground, name, tip)


def remote_tips(root: Path, remote: str = REMOTE) -> dict[str, str]:
    """Returns every branch of the remote, queried once for a run. Raises AirbyteCiError."""
    out = commits.run(root, f"asking {remote} for its branches", "ls-remote", "--heads", remote).decode()
    pairs = (line.split("\t") for line in out.splitlines())
    return {name.removeprefix("refs/heads/"): sha for sha, name in pairs}


def fetch_target(root: Path, base: str, target: str) -> tuple[Ground, dict[str, str]]:
    """Returns where branches begin and end, with the remote's branches; fetches the target. Raises AirbyteCiError.

    An earlier delivery from a newer target branch may start at a commit that was not in this clone.
    """
    tips = remote_tips(root)
    main = tips.get(target)
    if main is None:
        raise UsageError(
            f"cannot open pull requests: origin has no branch {target} to merge into",
            advice="name another branch with --diffed-branch",
        )
    ground = Ground(root, base, target)
    fetch(ground, target, main)
    return dataclasses.replace(ground, main=main), tips


def remote(ground: Ground, name: str, tip: str | None) -> Branch:
    """Returns the branch on the remote, whose tip is known; fetches its commits. Raises AirbyteCiError."""
    _refuse_bad_name(ground, name)
    if tip:
        fetch(ground, name, tip)
    return _read(ground, name, tip)


def fetch(ground: Ground, name: str, tip: str) -> None:
    """Fetches the commit at the tip of a branch of the remote, if it is missing here. Raises AirbyteCiError."""
    if not _has(ground.root, tip):
        options = ("-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        commits.run(ground.root, f"fetching {name}", "fetch", *options, ground.remote, f"refs/heads/{name}")


def refuse_foreign(branch: Branch) -> None:
    """Raises AirbyteCiError for a branch with any commit that airbyte-ci did not create."""
    for commit in branch.commits:
        if not commit.is_ours:
            raise AirbyteCiError(
                f"the branch {branch.name} has commits of others ({commit.sha[:10]} "
                f"{commit.message.partition(chr(10))[0]!r}), so it was left as it is",
                advice="merge or delete it, or give another name with --branch",
                error_id="branch-taken",
            )


def refuse_loss(branch: Branch, kept: Collection[str]) -> None:
    """Raises AirbyteCiError if the branch has changes of connectors that are not in `kept`."""
    lost = sorted({item.connector for item in branch.commits if item.connector} - set(kept))
    if lost:
        raise AirbyteCiError(
            f"the branch {branch.name} also has changes of {', '.join(lost)}, which this run would lose",
            advice="select them too, or give another name with --branch",
            error_id="branch-taken",
        )


def move_local(ground: Ground, branch: Branch, commit: str) -> None:
    """Creates or moves the branch, if it has not moved meanwhile. Raises AirbyteCiError."""
    doing = f"moving the branch {branch.name}"
    checked_out = commits.run(ground.root, doing, "worktree", "list", "--porcelain").decode(errors="replace")
    if f"branch refs/heads/{branch.name}" in checked_out.splitlines():
        raise AirbyteCiError(f"{doing}: it is checked out", advice="git switch to another branch")
    reason = ("-m", "airbyte-ci")
    commits.run(ground.root, doing, "update-ref", *reason, f"refs/heads/{branch.name}", commit, branch.tip or _NONE)


def push(ground: Ground, branch: Branch, commit: str) -> str | None:
    """Creates or moves the branch on the remote, if it has not moved meanwhile. Raises AirbyteCiError.

    Returns the address in the remote's answer, where forges let users open a pull request.
    """
    try:
        said = push_commit(ground.root, ground.remote, branch.name, branch.tip, commit)
    except AirbyteCiError as error:
        advice = "run it again" if "stale info" in error.message else "look at what git says, and run it again"
        raise AirbyteCiError(error.message, advice=advice, error_id="push-rejected") from error
    found = _ANSWERED.search(said)
    return found[1] if found else None


def push_commit(root: Path, remote: str, name: str, tip: str | None, commit: str) -> str:
    """Moves a branch of the remote from `tip` (None: it is new) to a commit; returns the remote's answer.

    Raises AirbyteCiError if the branch is not at `tip` any more.
    """
    reference = f"refs/heads/{name}"
    arguments = ("push", "-q", "--no-follow-tags", f"--force-with-lease={reference}:{tip or ''}", remote)
    answer = commits.answer(root, f"pushing {name} to {remote}", *arguments, f"{commit}:{reference}")
    return answer.stderr.decode(errors="replace")


def _read(ground: Ground, name: str, tip: str | None) -> Branch:
    if tip is None:
        return Branch(name, None)
    known = [ground.base]
    known += [ground.main] if ground.main else []
    return Branch(name, tip, commits.since(ground.root, tip, *known))


def _has(root: Path, name: str) -> bool:
    answer = git.ask(root, "cat-file", "-e", f"{name}^{{commit}}")
    return answer is not None and answer.returncode == 0


def _refuse_bad_name(ground: Ground, name: str) -> None:
    if name == ground.target:
        raise AirbyteCiError(f"{name} is the branch to merge into", advice="give another name with --branch")
    commits.run(ground.root, f"the branch {name}", "check-ref-format", "--branch", name)
