"""How long a fleet takes on many workers: measured jobs, and a simulation of more of them than any machine here has.

python bench/scaling.py measure FILE     builds the real environments one after the other, and writes their costs
python bench/scaling.py simulate FILE    prints the sentences' figures and the table of docs/many-machines.md
python bench/scaling.py engines          builds environments on this machine and on a Dask cluster of two workers

The folder of `measure` keeps the store and the costs so far, so that an interrupted run continues where it was.
Costs are processor seconds, which other programs on the machine change little. A job of the simulation downloads what
its worker has not, works on one processor, and pushes what the registry has not. Jobs are started one after the other
by a scheduler that needs the measured time for each, and go to the worker that is free first, as with Dask.
"""

import argparse
import heapq
import json
import operator
import os
import platform
import random
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store

PROJECT = Path(__file__).resolve().parents[1]
LOCKS = PROJECT.parent / "shared/fleet/locks-2024-06.tar.xz"
COMMAND = (sys.executable, "-m", "airbyte_ci")
TASKS = 2000
_BEGUN = {"begun": True}
MB = 10**6


# --- measuring -----------------------------------------------------------------------------------


def measure(target: Path, folder: Path, count: int) -> None:
    """Writes each job's processor seconds and wheels, and the processor seconds of Dask's scheduler for a task."""
    variables = {**os.environ, "AIRBYTE_CI_HOME": str(folder / "home")}
    base = _base(folder, variables)
    done = [_measured(connector, base, folder, variables) for connector in _connectors(folder)[:count]]
    sizes: dict[str, int] = {}
    jobs = []
    for job in done:
        if "wheels" in job:
            jobs.append({**job, "fresh": len(job["wheels"].keys() - sizes.keys()), "wheels": [*job["wheels"]]})
            sizes |= job["wheels"]
    names = {name: number for number, name in enumerate(sizes)}
    document = {
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} × {_processor()}, Python {platform.python_version()}",
        "scheduler": scheduler_seconds(),
        "base": _size_of(Store(folder / "home"), base),
        "sizes": [*sizes.values()],
    }
    rows = ",\n  ".join(json.dumps({**job, "wheels": [names[item] for item in job["wheels"]]}) for job in jobs)
    rest = ",\n ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
    target.write_text(f'{{{rest},\n "jobs": [\n  {rows}\n]}}\n')


def _measured(connector: Path, base: str, folder: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The costs of a job, from an earlier run if it has them.

    A job that was interrupted left wheels in the store, so its costs are not those of a first build.
    """
    record = folder / "jobs" / f"{connector.name}.json"
    if record.exists() and (known := json.loads(record.read_text())) != _BEGUN:
        return dict(known)
    job: dict[str, Any] = {"name": connector.name, "seconds": 0.0}
    if record.exists():
        job["interrupted"] = True
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps(_BEGUN))
    try:
        job["seconds"] = _job(connector, base, variables)
    except subprocess.CalledProcessError:
        print(f"{connector.name} is left out: it cannot be built", file=sys.stderr)
    else:
        plan = json.loads(_output(_build(connector, base, "--print-plan"), connector.parents[2], variables))
        job["wheels"] = _wheels(plan, Store(folder / "home"))
        print(f"{connector.name}: {job['seconds']:.1f} s, {len(job['wheels'])} wheels", file=sys.stderr)
    record.write_text(json.dumps(job))
    return job


def _base(folder: Path, variables: Mapping[str, str]) -> str:
    """The address of the demo's base image, which is built once in a folder."""
    record = folder / "base.txt"
    if not record.exists():
        subprocess.run([PROJECT / "scripts/scratch-fleet", folder / "base"], check=True)
        made = ("--repo", folder / "base", "base-images", "build", "--root", "debian")
        record.write_text(_output(made, PROJECT, variables).splitlines()[-1])
    return record.read_text()


def _connectors(folder: Path) -> list[Path]:
    """The folders of the real environments, with code of the examples' shape."""
    with tarfile.open(LOCKS) as archive:
        archive.extractall(folder / "locks", filter="data")
    found = []
    for lock in sorted((folder / "locks").rglob("poetry.lock")):
        target = folder / "fleet/airbyte-integrations/connectors" / lock.parent.name
        package = target / lock.parent.name.replace("-", "_")
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        (target / "main.py").write_text("print('{}')\n")
        for file in ("poetry.lock", "pyproject.toml", "metadata.yaml"):
            shutil.copy(lock.parent / file, target / file)
        found.append(target)
    return found


def _build(connector: Path, base: str, *more: str) -> tuple[str, ...]:
    return ("--quiet", "connectors", f"--name={connector.name}", "build", "--no-verify", "--base-image", base, *more)


def _job(connector: Path, base: str, variables: Mapping[str, str]) -> float:
    """The processor seconds of a build: of the command, and of all processes that it waits for."""
    before = os.times()
    _output(_build(connector, base), connector.parents[2], variables)
    after = os.times()
    return round(after.children_user + after.children_system - before.children_user - before.children_system, 3)


def _output(arguments: Sequence[object], folder: Path, variables: Mapping[str, str]) -> str:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=variables, check=True, stdout=subprocess.PIPE, text=True).stdout


def _wheels(plan: Mapping[str, Any], store: Store) -> dict[str, int]:
    """The files that a plan installs, by digest, with their sizes."""
    (installed,) = (item for item in plan["operations"] if item["operation"] == "InstallPackages")
    digests = [Digest.parse(f"sha256:{item['sha256']}") for item in installed["packages"]]
    return {str(digest): store.path(digest).stat().st_size for digest in digests}


def _size_of(store: Store, address: str) -> int:
    """The compressed bytes of a base image."""
    digest = Reference.parse(address).digest
    assert digest
    manifest = store.manifest(digest)
    image = store.image(manifest.manifests[0].digest if isinstance(manifest, Index) else digest)
    return sum(layer.size for layer in image.manifest.layers)


def scheduler_seconds() -> float:
    """The processor seconds of a real scheduler for each of TASKS short tasks on two workers of its own."""
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        client.gather([client.submit(len, "x", key=f"warm-{number}", pure=False) for number in range(100)])
        before = time.process_time()  # the scheduler is in this process, as is the client
        client.gather([client.submit(len, "x", key=f"task-{number}", pure=False) for number in range(TASKS)])
        return round((time.process_time() - before) / TASKS, 5)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


# --- simulating ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """Processor seconds of a job, of each wheel that it prepares, and of each byte of these; of the scheduler."""

    job: float
    wheel: float
    byte: float
    scheduler: float


@dataclass(frozen=True)
class Setting:
    """How many workers there are, whether they share prepared wheels, and the registry's bytes per second."""

    workers: int
    is_shared: bool = False
    registry: float = 1000 * MB
    link: float = 125 * MB


@dataclass(frozen=True)
class Environments:
    """The measured environments: the size of each wheel, the wheels of each job, and the base image's bytes."""

    sizes: Sequence[int]
    jobs: Sequence[Sequence[int]]
    fresh: float
    base: int

    def fleet(self, count: int) -> tuple[list[list[int]], list[int]]:
        """The wheels of so many jobs, and the sizes of all wheels.

        After the measured environments come copies of random ones, in which the share `fresh` of wheels is new.
        """
        chance = random.Random(1)
        sizes = list(self.sizes)
        jobs = [list(job) for job in self.jobs[:count]]
        while len(jobs) < count:
            job = list(chance.choice(self.jobs))
            for place, wheel in enumerate(job):
                if chance.random() < self.fresh:
                    job[place] = len(sizes)
                    sizes.append(self.sizes[wheel])
            jobs.append(job)
        return jobs, sizes


class Simulation:
    """One run of a fleet; `seconds` is its duration, `busy` the processor seconds of all jobs."""

    def __init__(self, environments: Environments, costs: Costs, setting: Setting, count: int) -> None:
        self.jobs, self.sizes = environments.fleet(count)
        self.costs, self.setting, self.base = costs, setting, environments.base
        self.has: list[set[int]] = [set() for _ in range(setting.workers)]
        self.pushed: set[int] = set()
        self.events: list[tuple[float, int, str]] = []  # time, worker, what happens
        # All transfers have the same rate, so each ends when this number of bytes has been sent for every one.
        self.transfers: list[tuple[float, int]] = []
        self.sent = self.now = self.busy = self.scheduler = 0.0
        self.work = [0.0] * setting.workers
        self.waiting = list(reversed(self.jobs))
        for worker in range(setting.workers):
            self._next(worker)
        while self.events or self.transfers:
            self._step()
        self.seconds = self.now

    def _next(self, worker: int) -> None:
        """The scheduler gives a free worker its next job."""
        if self.waiting:
            self.scheduler = max(self.scheduler, self.now) + self.costs.scheduler
            heapq.heappush(self.events, (self.scheduler, worker, "begin"))

    def _begin(self, worker: int) -> None:
        """Downloads, and the push of what the registry has not, in one transfer."""
        wheels = set(self.waiting.pop())
        known = self.pushed if self.setting.is_shared else self.has[worker]
        fresh = wheels - known
        amount = float(sum(self.sizes[item] for item in wheels - self.has[worker]))
        amount += sum(self.sizes[item] for item in wheels - self.pushed)
        amount += 0 if self.has[worker] else self.base
        size = sum(self.sizes[item] for item in fresh)
        self.work[worker] = self.costs.job + self.costs.wheel * len(fresh) + self.costs.byte * size
        self.has[worker] |= wheels
        self.pushed |= wheels
        heapq.heappush(self.transfers, (self.sent + amount, worker))

    def _rate(self) -> float:
        return min(self.setting.link, self.setting.registry / len(self.transfers))

    def _step(self) -> None:
        """The next moment at which something happens."""
        ends = self.now + (self.transfers[0][0] - self.sent) / self._rate() if self.transfers else float("inf")
        time_of_event = self.events[0][0] if self.events else float("inf")
        moment = min(ends, time_of_event)
        if self.transfers:
            self.sent += (moment - self.now) * self._rate()
        self.now = moment
        if ends <= time_of_event:
            self.sent, worker = heapq.heappop(self.transfers)
            self.busy += self.work[worker]
            heapq.heappush(self.events, (self.now + self.work[worker], worker, "end"))
            return
        _, worker, what = heapq.heappop(self.events)
        if what == "begin":
            if self.waiting:
                self._begin(worker)
        else:
            self._next(worker)


def fitted(document: Mapping[str, Any]) -> tuple[Costs, float]:
    """The costs of jobs by least squares, and the share of the variance that they explain.

    The first job is left out, because it also prepares what the base image needs, and interrupted ones.
    """
    sizes, seen = document["sizes"], set(document["jobs"][0]["wheels"])
    rows, seconds = [], []
    for job in document["jobs"][1:]:
        fresh = set(job["wheels"]) - seen
        seen |= fresh
        if "interrupted" in job:
            continue
        rows.append((1.0, float(len(fresh)), sum(sizes[item] for item in fresh) / MB))
        seconds.append(job["seconds"])
    normal = [[sum(row[i] * row[j] for row in rows) for j in range(3)] for i in range(3)]
    right = [sum(row[i] * value for row, value in zip(rows, seconds, strict=True)) for i in range(3)]
    for i in range(3):
        for j in range(i + 1, 3):
            factor = normal[j][i] / normal[i][i]
            normal[j] = [one - factor * other for one, other in zip(normal[j], normal[i], strict=True)]
            right[j] -= factor * right[i]
    found = [0.0] * 3
    for i in (2, 1, 0):
        found[i] = (right[i] - sum(normal[i][j] * found[j] for j in range(i + 1, 3))) / normal[i][i]
    mean = sum(seconds) / len(seconds)
    errors = [value - sum(map(operator.mul, row, found)) for row, value in zip(rows, seconds, strict=True)]
    explained = 1 - sum(error**2 for error in errors) / sum((value - mean) ** 2 for value in seconds)
    return Costs(found[0], found[1], found[2] / MB, document["scheduler"]), explained


def simulate(source: Path) -> None:
    """Prints the costs, and a Markdown table."""
    document = json.loads(source.read_text())
    costs, explained = fitted(document)
    last = document["jobs"][-20:]
    fresh = sum(job["fresh"] for job in last) / sum(len(job["wheels"]) for job in last)
    environments = Environments(document["sizes"], [job["wheels"] for job in document["jobs"]], fresh, document["base"])
    print(f"{document['day']} · {document['machine']} · {len(document['jobs'])} jobs, {len(document['sizes'])} wheels")
    print(
        f"a job {costs.job:.2f} s + {costs.wheel * 1000:.0f} ms for each new wheel + {costs.byte * MB * 1000:.0f} ms "
        f"for each MB of these (R² {explained:.2f}); scheduler {costs.scheduler * 1000:.2f} ms for a job; "
        f"{fresh:.0%} of a job's wheels are new\n"
    )
    print(
        "| Connectors | Workers | Time | Speed-up | Workers are busy | If workers shared prepared wheels "
        "| With a registry of 100 MB/s |"
    )
    print("|---|---|---|---|---|---|---|")
    for count in (400, 4000):
        alone = Simulation(environments, costs, Setting(1), count).seconds
        for workers in (1, 2, 8, 50):
            own = Simulation(environments, costs, Setting(workers), count)
            shared = Simulation(environments, costs, Setting(workers, is_shared=True), count)
            slow = Simulation(environments, costs, Setting(workers, registry=100 * MB), count)
            busy = own.busy / own.seconds / workers
            cells = (f"{_short(alone / own.seconds)} ×", f"{busy:.0%}", _time(shared.seconds), _time(slow.seconds))
            print(f"| {count:,} | {workers} | {_time(own.seconds)} | {' | '.join(cells)} |")


def _time(seconds: float) -> str:
    return f"{_short(seconds / 60)} min"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


# --- comparing engines ---------------------------------------------------------------------------


def engines(folder: Path, count: int) -> None:
    """Prints the ratios of a Dask cluster of two workers to the processes of one command, and compares the digests.

    Both begin with a store that has only the base image; the workers are on one machine and share theirs.
    """
    variables = {**os.environ, "AIRBYTE_CI_HOME": str(folder / "home")}
    base = _base(folder, variables)
    names = [connector.name for connector in _connectors(folder)[:count]]
    _publish(folder)
    selected = [f"--name={name}" for name in names]
    build = ("connectors", *selected, "build", "--json", "--no-verify", "--base-image", base)
    here = _run((*build, "--concurrency", "2"), folder, _store(folder, base, "here"), ())
    with _cluster(folder, _store(folder, base, "workers")) as (address, processes):
        there = _run((*build, "--executor", address), folder, folder / "client", processes)
    for name, one in (("this machine", here), ("Dask, 2 workers", there)):
        print(f"{name:<16} {len(one.digests)} of {count} built, processor {one.processor:.1f} s, wall {one.wall:.1f} s")
    same = here.digests == there.digests
    ratios = f"processor {there.processor / here.processor:.2f} ×, wall {there.wall / here.wall:.2f} ×"
    print(f"Dask ÷ this machine: {ratios}, {'the same digests' if same else 'DIFFERENT DIGESTS'}")
    if not same or not here.digests:
        sys.exit(1)


@dataclass(frozen=True)
class Run:
    """A build of the fleet: the digests by connector, and the seconds of all its processes."""

    digests: Mapping[str, str]
    processor: float
    wall: float


def _run(arguments: Sequence[str], folder: Path, home: Path, processes: Sequence[subprocess.Popen[bytes]]) -> Run:
    """Runs the command; `processes` and what they started work for it too. Some environments cannot be built."""
    variables = {**os.environ, "AIRBYTE_CI_HOME": str(home)}
    before, started = _used(processes), time.perf_counter()
    command = [*COMMAND, *arguments]
    done = subprocess.run(command, cwd=folder / "fleet", env=variables, stdout=subprocess.PIPE, text=True, check=False)
    wall, processor = time.perf_counter() - started, _used(processes) - before
    documents = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for item in documents:
        if not item.get("digest"):
            print(f"{item['name']} cannot be built: {str(item.get('reason'))[:200]}", file=sys.stderr)
    return Run({item["name"]: item["digest"] for item in documents if item.get("digest")}, processor, wall)


def _used(processes: Sequence[subprocess.Popen[bytes]]) -> float:
    """Processor seconds of the children that ended, and of these processes with their children that ended."""
    times = os.times()
    used = times.children_user + times.children_system
    for process in processes:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        used += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return used


def _publish(folder: Path) -> None:
    """Commits the environments, and pushes them to a repository of which workers take them."""
    remote, fleet = folder / "remote.git", folder / "fleet"
    for path in (remote, fleet / ".git"):
        shutil.rmtree(path, ignore_errors=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", remote], check=True)
    git = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com")
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("commit", "-qm", "fleet"),
        ("remote", "add", "origin", f"file://{remote}"),
        ("push", "-q", "origin", "main"),
    ):
        subprocess.run([*git, *words], cwd=fleet, check=True)


def _store(folder: Path, base: str, name: str) -> Path:
    """A new store that has only the base image."""
    sys.path.insert(0, str(PROJECT))
    from tests.e2e.tiny import with_base

    shutil.rmtree(folder / name, ignore_errors=True)
    return with_base(Store(folder / "home"), base, folder / name)


@contextmanager
def _cluster(folder: Path, home: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers with one store, each of one thread: the address for --executor, and the processes."""
    info = folder / "scheduler.json"
    info.unlink(missing_ok=True)
    python = (sys.executable, "-m")
    worker = ("--nthreads=1", "--no-dashboard", "--no-nanny")
    commands: list[Sequence[str]] = [
        (*python, "distributed.cli.dask_scheduler", "--port=0", "--no-dashboard", f"--scheduler-file={info}"),
        *[(*python, "distributed.cli.dask_worker", f"--scheduler-file={info}", *worker)] * 2,
    ]
    variables = {**os.environ, "AIRBYTE_CI_HOME": str(home)}
    with ExitStack() as opened:
        processes = []
        for number, command in enumerate(commands):
            log = opened.enter_context((folder / f"dask-{number}.log").open("wb"))
            process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
            opened.callback(process.wait)
            opened.callback(process.terminate)
            processes.append(process)
            expected = "Registered to:" if number else "Scheduler at:"
            while expected not in (folder / f"dask-{number}.log").read_text():
                assert process.poll() is None, (folder / f"dask-{number}.log").read_text()
                time.sleep(0.1)
        yield json.loads(info.read_text())["address"].replace("tcp://", "dask://"), processes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("measure", "simulate", "engines"):
        action = actions.add_parser(name)
        if name != "engines":
            action.add_argument("file", type=Path)
        if name != "simulate":
            action.add_argument("--count", type=int, default=100, help="take only so many environments (default: all)")
            action.add_argument(
                "--folder",
                type=Path,
                default=PROJECT / f".scratch/{name}",
                help="keep the stores here (default: .scratch/NAME)",
            )
    given = parser.parse_args()
    # Otherwise each job compiles airbyte-ci first; an installed program has its bytecode.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if given.action == "simulate":
        simulate(given.file)
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.action == "measure":
        measure(given.file, given.folder.resolve(), given.count)
    else:
        engines(given.folder.resolve(), given.count)


if __name__ == "__main__":
    main()
