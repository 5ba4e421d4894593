"""Opening a store of 100,000 blobs against opening one of 100."""

import tempfile
import time
from pathlib import Path

from timing import Measure, Result, medians

from airbyte_ci.oci.store.store import Store


def _filled(root: Path, blobs: int) -> None:
    folder = Store(root).root / "blobs" / "sha256"
    for number in range(blobs):
        (folder / f"{number:064x}").touch()


def opening() -> Result:
    """A hundred openings a round: one alone is shorter than the clock is steady."""
    with tempfile.TemporaryDirectory() as name:
        large, small = Path(name) / "large", Path(name) / "small"
        _filled(large, 100_000)
        _filled(small, 100)

        def timed(root: Path) -> float:
            started = time.perf_counter()
            for _ in range(100):
                Store(root).resolve("acme/source-x:dev")
            return time.perf_counter() - started

        return medians(lambda: timed(large), lambda: timed(small))


MEASURES = (Measure("opening a store, 100,000 blobs ÷ 100 blobs", 1.1, opening),)
