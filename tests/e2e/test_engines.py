"""The same digests on every engine: tiny connectors built here, and on a Dask cluster of real processes.

It needs Dask, which `make oracle` installs. The cluster has a scheduler and workers of real processes, each with a
store of its own; one is killed while it builds.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from tests.campaigns.repositories import git
from tests.e2e.tiny import Tiny, with_base

pytest.importorskip("distributed", reason="Dask is not installed: pip install airbyte-ci[dask]")
pytestmark = pytest.mark.slow

NAMES = [f"source-engine-{number}" for number in range(5)]


@contextmanager
def process(*arguments: str, env: dict[str, str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that ends with the block."""
    with log.open("wb") as file:
        started = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**os.environ, **env},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            yield started
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()


@contextmanager
def cluster(folder: Path, tiny: Tiny, homes: list[Path]) -> "Iterator[tuple[str, list[subprocess.Popen[bytes]]]]":
    """A scheduler, and a worker for each home; the address for --executor."""
    info = folder / "scheduler.json"
    plain = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "30s"}
    with ExitStack() as opened:
        scheduler = ("distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(info))
        opened.enter_context(process(*scheduler, env=plain, log=folder / "scheduler.log"))
        deadline = time.monotonic() + 60
        while not info.exists():
            assert time.monotonic() < deadline, (folder / "scheduler.log").read_text()
            time.sleep(0.1)
        workers = []
        for number, home in enumerate(homes):
            arguments = ("--scheduler-file", str(info), "--nthreads", "1", "--no-dashboard", "--no-nanny")
            env = {**plain, **tiny.environment, "AIRBYTE_CI_HOME": str(home)}
            log = folder / f"worker-{number}.log"
            workers.append(opened.enter_context(process("distributed.cli.dask_worker", *arguments, env=env, log=log)))
        address = json.loads(info.read_text())["address"].replace("tcp://", "dask://")
        yield address, workers


def digests(output: str) -> dict[str, str]:
    """The digest of each connector's image."""
    found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {item["name"]: item["digest"] for item in found if item.get("digest")}


def make_fleet(tiny: Tiny) -> None:
    """Connectors of one commit on a remote."""
    for name in NAMES:
        tiny.add(name)
    remote = tiny.folder.parent / "remote.git"
    git(tiny.folder, "add", "-A")
    git(tiny.folder, "commit", "-qm", "fleet")
    git(tiny.folder.parent, "init", "-q", "--bare", "-b", "main", str(remote))
    git(tiny.folder, "remote", "add", "origin", f"file://{remote}")
    git(tiny.folder, "push", "-q", "origin", "main")


def test_the_same_digests_on_every_engine(tiny: Tiny, tmp_path: Path) -> None:
    """Five connectors have the same digests here and on two workers, of which one dies while it works."""
    make_fleet(tiny)
    homes = [tmp_path / f"home-{number}" for number in range(3)]
    for home in homes:
        with_base(Store(tiny.home), tiny.base, home)
    build = ("connectors", "--metadata-query", "'engine' in name", "build", "--json")
    here = tiny.run(*build, home=homes[2])
    assert here.code == 0, here.err
    with cluster(tmp_path, tiny, homes[:2]) as (address, workers):
        started = tiny.start(*build, "--executor", address, home=tmp_path / "client")
        assert started.stdout and started.stderr
        first = started.stdout.readline()
        os.killpg(workers[0].pid, signal.SIGKILL)
        output, error = started.communicate(timeout=300)
    assert started.returncode == 0, error
    assert digests(first + output) == digests(here.out)
    assert len(digests(here.out)) == len(NAMES)
