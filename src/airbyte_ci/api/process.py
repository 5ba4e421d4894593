"""Runs the command in a process of its own for the Python API."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from airbyte_ci.errors import AirbyteCiError, UsageError

_WRONG_USAGE = 2


def run(repository: Path, arguments: Sequence[str], *, may_fail: bool = False) -> str:
    """Returns what the command prints; with `may_fail`, also results that name failures.

    Raises UsageError and AirbyteCiError with the command's own message.
    """
    command = [sys.executable, "-m", "airbyte_ci", "--quiet", *arguments]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode == 0 or (may_fail and done.returncode == 1 and done.stdout):
        return done.stdout
    message = done.stderr.strip().removeprefix("✗ ") or f"the command ended with {done.returncode}"
    raise (UsageError if done.returncode == _WRONG_USAGE else AirbyteCiError)(message)
