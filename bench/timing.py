"""How things are timed: whole processes, medians of several, alternating with the peer so that noise meets both."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Result = tuple[float, float] | str


@dataclass(frozen=True)
class Measure:
    """`run` returns airbyte-ci's seconds and the peer's, or why it cannot; the ratio should be at most `bar`.

    `at_least` inverts it: peer ÷ airbyte-ci's should be at least the bar.
    """

    name: str
    bar: float
    run: Callable[[], Result]
    at_least: bool = False
    unit: str = "s"


def seconds(command: Sequence[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> float:
    """One run of a process, which must end well."""
    started = time.perf_counter()
    subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - started


# A process begins with the size of the one that starts it, so a small one does.
_STARTER = """
import resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
print(ended.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.stderr.buffer.write(ended.stderr)
"""


def peak(command: Sequence[str], env: dict[str, str] | None = None, endings: Sequence[int] = (0,)) -> float:
    """The largest resident set of a process, or of one that it started, in MB."""
    said = subprocess.run(
        [sys.executable, "-c", _STARTER, *command], env={**os.environ, **(env or {})}, capture_output=True, text=True
    )
    code, kilobytes = map(int, said.stdout.split())
    assert code in endings, said.stderr[-500:]
    return kilobytes * 1024 / 1e6


def medians(ours: Callable[[], float], peer: Callable[[], float], rounds: int = 11) -> tuple[float, float]:
    """Medians of alternating runs, after one of each to warm the page cache."""
    ours(), peer()
    pairs = [(ours(), peer()) for _ in range(rounds)]
    return _median([pair[0] for pair in pairs]), _median([pair[1] for pair in pairs])


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
