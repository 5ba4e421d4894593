"""The command as people run it: a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.warm import WarmCommand

PROJECT = Path(__file__).resolve().parents[2]
_WARM = WarmCommand()
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
    """Runs the command in a process of its own; nothing of it lives in this process.

    The process is forked from one that has imported the code, unless a variable changes how Python starts.
    """
    environment = {**os.environ, "AIRBYTE_CI_HOME": str(home), **(env or {})}
    if _WARM.is_equal_to_a_new_process(environment):
        code, out, err = _WARM.run(arguments, cwd, environment, timeout)
        return Result(code, _text(out), _text(err))
    finished = subprocess.run(
        [sys.executable, "-m", "airbyte_ci", *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Result(finished.returncode, finished.stdout, finished.stderr)


def _text(output: bytes) -> str:
    return output.decode().replace("\r\n", "\n").replace("\r", "\n")
