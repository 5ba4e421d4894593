"""Runs jobs on a worker: airbyte-ci as a process of its own, in a checkout of the job's commit.

The worker has its own store, its own logins and its own credentials of git; nothing of these travels.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airbyte_ci import __version__, config, disk
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.execution import limited
from airbyte_ci.execution.limited import MemoryExceededError
from airbyte_ci.execution.remote_job import RemoteJob
from airbyte_ci.git import git

# The end of the output of a failed command, for its reason.
_SHOWN = 4000


def describe() -> dict[str, str]:
    """Returns what must be equal on all machines."""
    major, minor, _ = platform.python_version_tuple()
    return {"version": __version__, "python": f"{major}.{minor}"}


def refusal(job: RemoteJob, own: Mapping[str, str]) -> str:
    """Returns why this worker must not run the job; empty if it may."""
    wanted = {"version": job.version, "python": job.python}
    names = {"version": "airbyte-ci", "python": "Python"}
    wrong = [f"{names[key]} {own[key]} instead of {wanted[key]}" for key in wanted if own[key] != wanted[key]]
    return f"this worker has {' and '.join(wrong)}" if wrong else ""


def run(document: Mapping[str, Any]) -> dict[str, Any]:
    """Runs one job and returns its result as plain data. Never raises for a failed job, so that it is not repeated."""
    return {"worker": platform.node(), **_run(RemoteJob.from_json(document))}


def _run(job: RemoteJob) -> dict[str, Any]:
    if reason := refusal(job, describe()):
        return {"code": -1, "output": "", "error": reason}
    try:
        folder = _checkout(job)
    except (AirbyteCiError, OSError) as error:
        return {"code": -1, "output": "", "error": str(error)}
    command = (sys.executable, "-m", "airbyte_ci", *job.arguments)
    try:
        done = limited.run(command, folder / job.folder, job.memory)
    except MemoryExceededError as error:
        reason = f"the job used {error.used / 1e9:.1f} GB of memory, more than --job-memory {job.memory / 1e9:.1f} GB"
        return {"code": -1, "output": "", "error": f"{reason} → raise --job-memory"}
    output, shown = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")[-_SHOWN:]
    return {"code": done.returncode, "output": output, "error": shown}


def _checkout(job: RemoteJob) -> Path:
    """Returns a folder with the job's commit; jobs of one worker share it."""
    place = config.home(os.environ) / "checkouts" / hashlib.sha256(job.repository.encode()).hexdigest()[:16]
    repository, folder = place / "repository", place / job.commit
    place.mkdir(parents=True, exist_ok=True)
    with disk.lock(place / "lock"):
        if not (repository / "HEAD").exists():
            _git(place, "init", "-q", "--bare", str(repository))
        if not folder.is_dir():
            _git(repository, "fetch", "-q", "--no-tags", "--", job.repository, f"{job.commit}:refs/jobs/{job.commit}")
            _git(repository, "worktree", "add", "-q", "--detach", str(folder), job.commit)
    return folder


def _git(root: Path, *arguments: str) -> None:
    done = git.ask(root, *arguments, variables={"GIT_TERMINAL_PROMPT": "0"})
    if done is None:
        raise AirbyteCiError("cannot check out the job's commit: git is not installed")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise AirbyteCiError(f"cannot check out the job's commit: {lines[-1] if lines else 'git failed'}")
