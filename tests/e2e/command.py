"""The command as people run it: a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.com")


@dataclass(frozen=True)
class Result:
    """How the command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Result]


def airbyte_ci(*arguments: str, cwd: Path, home: Path, env: dict[str, str] | None = None, timeout: int = 900) -> Result:
    """The command as people run it; nothing of it lives in this process."""
    finished = subprocess.run(
        [sys.executable, "-m", "airbyte_ci", *arguments],
        cwd=cwd,
        env={**os.environ, "AIRBYTE_CI_HOME": str(home), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Result(finished.returncode, finished.stdout, finished.stderr)
