"""Planning environments and knowing a base, against times that a person does not notice; memory for a large wheel."""

import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from timing import Measure, Result

PROJECT = Path(__file__).resolve().parents[1]
EXAMPLE = PROJECT / "examples/fleet/airbyte-integrations/connectors/source-weather-stations"
LOCKS = PROJECT.parent / "shared" / "fleet" / "locks-2024-06.tar.xz"
TEST_STORE = PROJECT / ".scratch" / "test-store"
ROUNDS = 7
# In a process of its own, so that nothing is remembered from an earlier plan; imports are start-up, not planning.
_PLAN = """
import pathlib, sys, time
sys.path.insert(0, sys.argv[1])
from airbyte_ci.python.locks import poetry; from airbyte_ci.python.wheels import wheel
from tests.python.interpreters import cpython
names = ("poetry.lock", "pyproject.toml")
texts = [[(pathlib.Path(folder) / name).read_text() for name in names] for folder in sys.argv[2:]]
python = cpython()
started = time.perf_counter()
order, count = wheel.tag_order(python), 0
for lock, project in texts:
    try:
        for package in poetry.select(lock, project, python, "x").packages:
            wheel.choose(package.files, order)
            count += 1
    except Exception as error:
        if "the lock has" not in str(error):
            raise
print(time.perf_counter() - started, count)
"""
_INVENTORY = """
import pathlib, sys, time
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.interpreter import inventory
store = Store(pathlib.Path(sys.argv[1]))
image = store.image(Digest(sys.argv[2]))
started = time.perf_counter()
inventory.of(store, image)
print(time.perf_counter() - started)
"""
# VmHWM is of this program; getrusage would report the peak of its parent.
_INSTALL = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from airbyte_ci.oci.layer import make_segment
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.wheels import wheel
from tests.python.interpreters import cpython
store, path = Store(pathlib.Path(sys.argv[2])), pathlib.Path(sys.argv[3])
with store.scratch() as scratch:
    make_segment(store, wheel.read(path, path.name, cpython(), scratch).entries)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def _said(script: str, *arguments: str) -> list[float]:
    finished = subprocess.run(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT
    )
    return [float(word) for word in finished.stdout.split()]


def _median_of_processes(script: str, *arguments: str) -> float:
    return sorted(_said(script, *arguments)[0] for _ in range(ROUNDS))[ROUNDS // 2]


def plan_one() -> Result:
    """An example's lock: some 90 packages of 98."""
    return _median_of_processes(_PLAN, str(PROJECT), str(EXAMPLE)), 0.040


def plan_fleet() -> Result:
    """The 62 real locks if available, else the example's lock 62 times."""
    if not LOCKS.exists():
        return _median_of_processes(_PLAN, str(PROJECT), *[str(EXAMPLE)] * 62), 1.5
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(LOCKS) as archive:
            archive.extractall(name, filter="data")
        folders = sorted(str(path.parent) for path in Path(name).rglob("poetry.lock"))
        return _median_of_processes(_PLAN, str(PROJECT), *folders), 1.5


def inventory_of_base(*, known: bool) -> Result:
    """The demo's base in a store where nothing was done with it yet; or once more."""
    base = _demo_base()
    if base is None:
        return "not measured: the end-to-end tests have not built the demo's base yet"
    with tempfile.TemporaryDirectory(dir=TEST_STORE.parent) as name:
        times = []
        for number in range(3):
            store = Path(name) / str(number)
            shutil.copytree(TEST_STORE / "blobs", store / "blobs", copy_function=_link)
            first, again = (_said(_INVENTORY, str(store), base)[0] for _ in range(2))
            times.append(again if known else first)
        return sorted(times)[1], 0.020 if known else 5.0


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def _demo_base() -> str | None:
    from airbyte_ci.oci.image import Index, Platform
    from airbyte_ci.oci.store.store import Store

    if not TEST_STORE.exists():
        return None
    store = Store(TEST_STORE)
    for name in store.names():
        descriptor = store.resolve(name)
        if "python-connector-base" in name and descriptor:
            manifest = store.manifest(descriptor.digest)
            if isinstance(manifest, Index):
                return manifest.select(Platform("linux", "amd64"), name).digest.hex
    return None


def memory() -> Result:
    """Peak of a process that turns a wheel of 200 MB into a segment: one library, and ten thousand modules."""
    sys.path.insert(0, str(PROJECT))
    from tests.python import sample_wheels

    chance = random.Random(1)
    kinds = {
        "one file": {"demo/lib.so": chance.randbytes(200_000_000)},
        "10,000 files": {f"demo/{number}.py": chance.randbytes(20_000) for number in range(10_000)},
    }
    told = []
    for kind, files in kinds.items():
        with tempfile.TemporaryDirectory() as name:
            path = sample_wheels.make(Path(name), files=dict(files))
            peak = _said(_INSTALL, str(PROJECT), f"{name}/store", str(path))[0] / 1024
            told.append(f"{kind} {peak:.0f} MB")
    return f"{', '.join(told)} (bar: 200 MB)"


MEASURES = (
    Measure("planning a lock of 90 packages ÷ 40 ms", 1, plan_one),
    Measure("planning 62 locks in one process ÷ 1.5 s", 1, plan_fleet),
    Measure("inventory of a base, first time ÷ 5 s", 1, lambda: inventory_of_base(known=False)),
    Measure("inventory of a base, known ÷ 20 ms", 1, lambda: inventory_of_base(known=True)),
    Measure("peak memory of installing a wheel of 200 MB", 1, memory),
)
