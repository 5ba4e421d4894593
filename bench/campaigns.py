"""Planning a campaign for a large fleet: copies of an example connector, each with its lock, page and changelog."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fleet
from timing import Measure, Result, peak

EXAMPLE = fleet.PROJECT / "examples/fleet"
CONNECTORS = "airbyte-integrations/connectors"
COPIED = "weather-stations"
_CAMPAIGN = """\
migration: upgrade_base_image
options: {to: "4.0"}
select: base.version == '2.0.0'
waves:
  - {name: canary, size: 4, soak: 1d}
  - {name: early, share: 10%, gate: {failures: 5%}}
"""


@contextmanager
def copies(count: int) -> Iterator[Path]:
    """A committed repository with so many copies, and a campaign."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        page = EXAMPLE / f"docs/integrations/sources/{COPIED}.md"
        for number in range(count):
            other = f"copied-{number}"
            target = root / CONNECTORS / f"source-{other}"
            ignored = shutil.ignore_patterns("__pycache__", ".venv", "integration_tests", "unit_tests")
            shutil.copytree(EXAMPLE / CONNECTORS / f"source-{COPIED}", target, ignore=ignored)
            target_page = root / page.relative_to(EXAMPLE).with_name(f"{other}.md")
            target_page.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(page, target_page)
            for path in (target / "metadata.yaml", target / "pyproject.toml"):
                path.write_text(path.read_text().replace(COPIED, other))
        (root / "campaigns").mkdir()
        (root / "campaigns/bench.yaml").write_text(_CAMPAIGN)
        fleet._commit(root)
        yield root


def command(root: Path) -> list[str]:
    return [sys.executable, "-m", "airbyte_ci", "--repo", str(root), "campaign", "plan", "bench"]


def plan() -> Result:
    """Processor seconds of the second plan, against the bar: the first one also fills the cache of metadata."""
    with copies(400) as root:
        variables = {**os.environ, "AIRBYTE_CI_HOME": str(root / "home")}
        times = []
        for _ in range(4):
            before = fleet._processor_seconds()
            done = subprocess.run(command(root), env=variables, capture_output=True, text=True, check=True)
            times.append(fleet._processor_seconds() - before)
            assert "400 to change" in done.stdout, done.stdout[-500:]
        return min(times[1:]), 3.0


def memory() -> Result:
    """Megabytes at the most, against the bar."""
    with copies(400) as root:
        return peak(command(root), env={"AIRBYTE_CI_HOME": str(root / "home")}), 150


MEASURES = (
    Measure("campaign plan, 400 connectors, processor time ÷ 3 s", 1, plan),
    Measure("peak memory of that ÷ 150 MB", 1, memory, unit="MB"),
)
