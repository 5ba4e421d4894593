"""`make bench`: ratios from one run, side by side with the peer. Never a test: machines are noisy, ratios less so.

python bench/run.py [NAME…]     all measures, or those whose name contains one of the words
"""

import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import builds
import checking
import environments
import fleet
import hooks
import listing
import registries
import stores
from timing import Measure

import base_images  # the measures lie beside this script

MEASURES = (
    *builds.MEASURES,
    *listing.MEASURES,
    *fleet.MEASURES,
    *checking.MEASURES,
    *environments.MEASURES,
    *hooks.MEASURES,
    *base_images.MEASURES,
    *stores.MEASURES,
    *registries.MEASURES,
)


def main() -> None:
    wanted = sys.argv[1:]
    print(f"{datetime.now(UTC):%Y-%m-%d} · Python {platform.python_version()} · {_machine()}\n")
    print(f"{'measure':<58} {'ours':>9} {'peer':>9} {'ratio':>7}  bar")
    for measure in MEASURES:
        if not wanted or any(word in measure.name for word in wanted):
            print(_line(measure))


def _line(measure: Measure) -> str:
    result = measure.run()
    if isinstance(result, str):
        return f"{measure.name:<58} {result}"
    ours, peer = result
    shown = f"{measure.name:<58} {ours * 1000:7.0f}ms {peer * 1000:7.0f}ms"
    if measure.at_least:
        mark = "met" if peer / ours >= measure.bar else "NOT met"
        return f"{shown} {peer / ours:6.2f}×  ≥ {measure.bar:g} × faster ({mark})"
    ratio = ours / peer
    mark = "met" if ratio <= measure.bar else "NOT met"
    return f"{shown} {ratio:6.2f}×  ≤ {measure.bar:g} × ({mark})"


def _machine() -> str:
    cpu = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{len(cpu)} × {cpu[0]}" if cpu else platform.machine()


if __name__ == "__main__":
    main()
