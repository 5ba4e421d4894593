"""`make bench`: ratios from one run, side by side with the peer. Never a test: machines are noisy, ratios less so.

`python bench/run.py --help` lists the measures.
"""

import argparse
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import builds
import checking
import ci_cache
import docker_daemon
import environments
import fleet
import listing
import manifests
import registries
import stores
from timing import Measure

import base_images  # the measures are next to this script
import campaigns
import hooks

MEASURES = (
    *builds.MEASURES,
    *listing.MEASURES,
    *fleet.MEASURES,
    *campaigns.MEASURES,
    *checking.MEASURES,
    *environments.MEASURES,
    *hooks.MEASURES,
    *manifests.MEASURES,
    *base_images.MEASURES,
    *stores.MEASURES,
    *registries.MEASURES,
    *ci_cache.MEASURES,
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compare airbyte-ci with its peers.",
        epilog="\n".join(["measures:", *(f"  {measure.name.strip()}" for measure in MEASURES)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--markdown", action="store_true", help="print a table for docs/benchmarks.md")
    parser.add_argument("names", nargs="*", metavar="NAME", help="run only measures whose name contains one of these")
    options = parser.parse_args()
    wanted, is_table = options.names, options.markdown
    print(_head(), end="\n\n")
    print("| measure | ours | peer | ratio | bar |\n|---|---|---|---|---|" if is_table else _row(_TITLES))
    for measure in MEASURES:
        if not wanted or any(word in measure.name for word in wanted):
            cells = tuple(_cells(measure))
            print(f"| {' | '.join(cells)} |" if is_table else _row(cells), flush=True)


_TITLES = ("measure", "ours", "peer", "ratio", "bar")


def _head() -> str:
    peer = f"peer: BuildKit of Debian's docker.io {docker_daemon.version()} with bench/peer.Dockerfile"
    return f"{datetime.now(UTC):%Y-%m-%d} · Python {platform.python_version()} · {_machine()} · {peer}"


def _row(cells: tuple[str, ...]) -> str:
    name, ours, peer, ratio, bar = cells
    return f"{name:<58} {ours:>9} {peer:>9} {ratio:>7}  {bar}"


def _cells(measure: Measure) -> Iterator[str]:
    """Name, ours, peer, ratio and bar; one failing measure does not stop the others."""
    yield measure.name
    try:
        result = measure.run()
    except Exception as error:  # noqa: BLE001  # whatever it was, it is told, and the rest goes on
        result = f"FAILED: {type(error).__name__}: {str(error).strip()[-300:]}"
    if isinstance(result, str):
        yield from ("", "", "", result)
        return
    ours, peer = result
    yield _shown(ours, measure.unit)
    yield _shown(peer, measure.unit)
    if measure.at_least:
        yield f"{peer / ours:.2f}×"
        yield f"peer ÷ ours ≥ {measure.bar:g} ({'met' if peer / ours >= measure.bar else 'NOT met'})"
        return
    yield f"{ours / peer:.2f}×"
    yield f"≤ {measure.bar:g} × ({'met' if ours / peer <= measure.bar else 'NOT met'})"


def _shown(value: float, unit: str) -> str:
    return f"{value * 1000:.0f} ms" if unit == "s" else f"{value:.0f} {unit}"


def _machine() -> str:
    cpu = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{len(cpu)} × {cpu[0]}" if cpu else platform.machine()


if __name__ == "__main__":
    main()
