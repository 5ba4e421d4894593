"""Base images: an unchanged rebuild, an inventory, a comparison, and a long catalog, against fixed times.

The peer is the maximum time, so the ratio is the used share of it.
"""

import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from timing import Measure, Result, medians, seconds

from airbyte_ci.base_images.inspection import contents
from airbyte_ci.oci.image import Image, ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry

PROJECT = Path(__file__).resolve().parents[1]
_MEGABYTE = 1 << 20
_ROUNDS = 7


def _at_most(limit: float, ours: Callable[[], float]) -> Result:
    return medians(ours, lambda: limit, _ROUNDS)


@contextmanager
def _fleet() -> Iterator[tuple[Path, dict[str, str]]]:
    """A scratch copy of the example fleet, and an environment with the store of the tests: its root is made there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "fleet"
        subprocess.run([str(PROJECT / "scripts" / "scratch-fleet"), str(folder)], check=True)
        yield folder, {"AIRBYTE_CI_HOME": str(PROJECT / ".scratch" / "test-store")}


def rebuild() -> Result:
    with _fleet() as (folder, environment):
        command = [sys.executable, "-m", "airbyte_ci", "base-images", "build", "base-images/acme.yaml"]
        return _at_most(0.3, lambda: seconds(command, folder, environment))


def catalog() -> Result:
    with _fleet() as (folder, environment):
        repository = "localhost/acme/python-connector-base"
        entries = [
            {
                "version": f"{number // 50}.{number % 50}.0",
                "address": f"{repository}:{number // 50}.{number % 50}.0@sha256:{number:064x}",
                "python": "3.11.9",
                "user": "airbyte",
                "changelog": "Newest system packages",
                "platforms": {"linux/amd64": f"sha256:{number + 1000:064x}"},
                "released": "2026-01-01",
            }
            for number in range(500)
        ]
        (folder / "base-images.yaml").write_text(yaml.safe_dump({repository: entries}))
        command = [sys.executable, "-m", "airbyte_ci", "base-images", "list"]
        return _at_most(0.4, lambda: seconds(command, folder, environment))


def _image(store: Store, kind: str) -> Image:
    """250 MB in 12,000 files, a third of them in a layer of its own, with a Debian status of 130 packages."""
    status = "\n".join(
        f"Package: package{number}\nStatus: install ok installed\nVersion: {number}-1{kind}\nArchitecture: amd64\n"
        for number in range(130)
    )
    size = 250 * _MEGABYTE // 12_000
    layers = [layer_of(store, [Entry(path="var/lib/dpkg/status", content=status.encode())])]
    for layer, count in enumerate((8000, 4000)):
        files = (f"usr/lib/{layer}/{number // 100}/{number}" for number in range(count))
        entries = [Entry(path=path, content=f"{kind}{path}".encode().ljust(size, b".")) for path in files]
        layers.append(layer_of(store, entries))
    config = ImageConfig.make(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [str(item.diff_id) for item in layers]},
        }
    )
    return store.put_image(Manifest.make(config.descriptor, tuple(item.descriptor for item in layers), {}), config)


def inventory() -> Result:
    """The first time, with the layers unpacked, in an empty store."""
    taken = []
    for number in range(2):
        with tempfile.TemporaryDirectory() as name:
            store = Store(Path(name))
            image = _image(store, str(number))
            taken.append(_timed(functools.partial(contents.of, store, image)))
    return min(taken), 5.0


def remembered() -> Result:
    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name))
        image = _image(store, "a")
        contents.of(store, image)
        return _at_most(0.02, lambda: _timed(lambda: contents.of(store, image)))


def compared() -> Result:
    """The whole command, from two names of the store."""
    with tempfile.TemporaryDirectory() as name, _fleet() as (folder, _):
        store = Store(Path(name))
        for kind in "ab":
            image = _image(store, kind)
            contents.of(store, image)
            store.tag(f"acme/base:{kind}", image.manifest.descriptor)
        command = [sys.executable, "-m", "airbyte_ci", "base-images", "diff", "acme/base:a", "acme/base:b"]
        return _at_most(1.0, lambda: seconds(command, folder, {"AIRBYTE_CI_HOME": name}))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


MEASURES = (
    Measure("base-images build, nothing changed ÷ 0.3 s", 1, rebuild),
    Measure("inventory of a base of 250 MB, once ÷ 5 s", 1, inventory),
    Measure("inventory of a base of 250 MB, again ÷ 20 ms", 1, remembered),
    Measure("base-images diff of two such bases ÷ 1 s", 1, compared),
    Measure("base-images list, 500 versions ÷ 0.4 s", 1, catalog),
)
