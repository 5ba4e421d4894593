"""What git knows about a repository, asked of git itself. Where there is no git, nothing is known."""

import os
import re
import subprocess
from pathlib import Path

_REMOTE = re.compile(
    r"(?:https?://(?:[^@/]+@)?|ssh://git@|git@)(?P<host>[^/:]+)(?::\d+)?[/:](?P<path>.+?)(?:\.git)?/?$"
)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        finished = subprocess.run(
            ["git", "-C", str(root), *arguments],
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return finished.stdout.decode(errors="replace") if finished.returncode == 0 else None


def uncommitted(root: Path, path: Path) -> str | None:
    """How a file differs from the last commit (`modified`, `untracked`), or None when it is safe in git.

    Also None where there is no git repository: there is nothing to compare with.
    """
    status = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignored", "--", str(path))
    if not status:
        return None
    return "untracked" if status.startswith(("??", "!!")) else "modified"


def pull_request_url(root: Path) -> str | None:
    """Where pull requests of the `origin` remote are, as a template with {number}; None without such a remote."""
    url = (_git(root, "remote", "get-url", "origin") or "").strip()
    match = _REMOTE.match(url)
    if match is None:
        return None
    return f"https://{match['host']}/{match['path']}/pull/{{number}}"
