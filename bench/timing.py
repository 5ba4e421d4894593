"""How things are timed: whole processes, medians of several, alternating with the peer so that noise meets both."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Result = tuple[float, float] | str


@dataclass(frozen=True)
class Measure:
    """`run` gives our seconds and the peer's, or why it cannot; the ratio ours ÷ peer should be at most `bar`.

    `at_least` turns it around: peer ÷ ours should be at least that.
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


def medians(ours: Callable[[], float], peer: Callable[[], float], rounds: int = 11) -> tuple[float, float]:
    """Medians of alternating runs, after one of each to warm the page cache."""
    ours(), peer()
    pairs = [(ours(), peer()) for _ in range(rounds)]
    return _median([pair[0] for pair in pairs]), _median([pair[1] for pair in pairs])


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
