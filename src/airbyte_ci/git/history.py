"""The files that a branch changed since it forked from another one, according to git."""

from pathlib import Path

from airbyte_ci.errors import ConnectorError, UsageError
from airbyte_ci.git import git

_ADVICE = "name the target branch of the merge with --diffed-branch"


def fork_point(root: Path, branch: str | None) -> str:
    """Returns the commit at which HEAD forked from `branch`, by default the remote's HEAD.

    Raises UsageError without a git repository, such a branch, or a common commit.
    """
    name = branch or _default_branch(root)
    for candidate in (name, f"origin/{name}"):
        if _commit(root, candidate) is None:
            continue
        answer = git.ask(root, "merge-base", candidate, "HEAD")
        if answer is not None and answer.returncode == 0:
            return answer.stdout.decode().split()[0]
        raise UsageError(
            f"cannot compare with {candidate}: it has no common commit with this branch",
            advice="fetch more of the history: git fetch --unshallow",
            error_id="git-branch-unknown",
        )
    raise UsageError(
        f"cannot compare with {name}: no such branch or commit exists", advice=_ADVICE, error_id="git-branch-unknown"
    )


def compared_with(root: Path, branch: str | None) -> str | None:
    """Returns the fork point; None if no branch is named or known."""
    try:
        return fork_point(root, branch)
    except UsageError:
        if branch:
            raise
        return None


def fork_point_if_known(root: Path, branch: str | None) -> str | None:
    """Returns the fork point; if no branch is named or known, the last commit; None without git."""
    return compared_with(root, branch) or _commit(root, "HEAD")


def target_branch(root: Path, branch: str | None) -> str:
    """Returns the remote's branch that HEAD is compared with; raises UsageError if none is known."""
    return (branch or _default_branch(root)).removeprefix("origin/")


def changed_files(root: Path, commit: str) -> frozenset[str]:
    """Returns paths below `root` that differ between a commit and the working tree: committed, staged, not, and
    untracked.

    A renamed file appears with its old and its new path. Raises ConnectorError when git fails.
    """
    tracked = ("diff", "--name-only", "--no-renames", "--no-ext-diff", "--relative", "-z", commit, "--")
    untracked = ("ls-files", "--others", "--exclude-standard", "-z")
    paths: set[str] = set()
    for command in (tracked, untracked):
        answer = git.ask(root, *command)
        if answer is None or answer.returncode:
            said = answer.stderr.decode(errors="replace").strip() if answer else "git is not installed"
            raise ConnectorError(f"git cannot list the changes in {root} since {commit}: {said}")
        paths |= {path.decode("utf-8", "surrogateescape") for path in answer.stdout.split(b"\0") if path}
    return frozenset(paths)


def _default_branch(root: Path) -> str:
    """Returns the branch that new clones of the remote start on; `origin` is preferred to other remotes."""
    answer = git.ask(root, "for-each-ref", "--format=%(refname) %(symref)", "refs/remotes/*/HEAD")
    if answer is None:
        raise UsageError("cannot find the branch to compare with: git is not installed")
    if answer.returncode:
        raise UsageError(
            f"cannot find the branch to compare with: {root} is not a git repository that git can read",
            error_id="git-repository-missing",
        )
    heads = dict(line.split(" ", 1) for line in answer.stdout.decode(errors="replace").split("\n") if " refs/" in line)
    if heads:
        target = heads.get("refs/remotes/origin/HEAD") or heads[min(heads)]
        return target.removeprefix("refs/remotes/")
    # A remote that was added by hand, or a CI checkout, has no HEAD.
    for name in ("origin/main", "origin/master"):
        if _commit(root, name):
            return name
    raise UsageError(
        "cannot find the branch to compare with: no remote names its main branch",
        advice=_ADVICE,
        error_id="git-branch-unknown",
    )


def _commit(root: Path, name: str) -> str | None:
    answer = git.ask(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return answer.stdout.decode().strip() if answer is not None and answer.returncode == 0 else None
