"""Checking a whole fleet, and how that grows with its size."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fleet
from timing import Measure, Result


def check() -> Result:
    """Seconds, against one second: the bar is in seconds. The real fleet if available, else one of the same size."""
    with tempfile.TemporaryDirectory() as name:
        if fleet.FLEET.exists():
            fleet.real(Path(name))
        else:
            fleet.generated(Path(name), 373)
        return _checking(Path(name)), 1.0


def growth() -> Result:
    """Seconds for each connector of a large fleet, against those of a small one."""
    times = []
    for count in (3_000, 300):
        with tempfile.TemporaryDirectory() as name:
            fleet.generated(Path(name), count)
            times.append(_checking(Path(name)) / count)
    return times[0], times[1]


def _checking(folder: Path) -> float:
    """The best of several runs; findings end them with 1, which is not a failure of the measure."""
    command = [sys.executable, "-m", "airbyte_ci", "--repo", str(folder), "connectors", "--all", "check", "--offline"]
    # The branch that it is compared with, as in CI: what differs from it must be found out.
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", "HEAD"], cwd=folder, check=True)
    environment = {**os.environ, "AIRBYTE_CI_HOME": str(folder / ".git" / "home")}
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        ended = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert ended.returncode in (0, 1), ended.stderr[-500:]
        best = min(best, time.perf_counter() - started)
    return best


MEASURES = (
    Measure("connectors check --all --offline, 373 connectors, in seconds", 3, check),
    Measure("connectors check --all --offline, per connector, 3,000 ÷ 300", 1.2, growth),
)
