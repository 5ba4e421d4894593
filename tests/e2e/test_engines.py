"""The same digests on every engine: tiny connectors built here, and on a Dask cluster of real processes.

It needs Dask, which `make oracle` installs. Workers are killed, slow, in another network, of another version, or have
too little memory.
"""

import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airbyte_ci import __version__
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.clients import quick_client
from tests.campaigns.repositories import git
from tests.e2e import cluster as clusters
from tests.e2e.cluster import Worker, cluster
from tests.e2e.tiny import Tiny, with_base

pytest.importorskip("distributed", reason="Dask is not installed: pip install airbyte-ci[dask]")
pytestmark = pytest.mark.slow

NAMES = [f"source-engine-{number}" for number in range(5)]
SELECTED = ("connectors", "--metadata-query", "'engine' in name")
BUILD = (*SELECTED, "build", "--json")


def documents(output: str) -> Iterable[dict[str, str]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def digests(output: str) -> dict[str, str]:
    """The digest of each connector's image."""
    return {item["name"]: item["digest"] for item in documents(output) if item.get("digest")}


def make_fleet(tiny: Tiny) -> None:
    """Connectors of one commit on a remote."""
    for name in NAMES:
        metadata = tiny.add(name) / "metadata.yaml"
        metadata.write_text(metadata.read_text().replace("  tags:", "  supportLevel: community\n  tags:"))
    remote = tiny.folder.parent / "remote.git"
    git(tiny.folder, "add", "-A")
    git(tiny.folder, "commit", "-qm", "fleet")
    git(tiny.folder.parent, "init", "-q", "--bare", "-b", "main", str(remote))
    git(tiny.folder, "remote", "add", "origin", f"file://{remote}")
    git(tiny.folder, "push", "-q", "origin", "main")


def homes(tiny: Tiny, folder: Path, count: int) -> list[Path]:
    """Stores that have the base image and nothing else."""
    return [with_base(Store(tiny.home), tiny.base, folder / f"home-{number}") for number in range(count)]


def built_in(home: Path, images: Iterable[str]) -> int:
    """How many of the images a worker built."""
    store = Store(home)
    return sum(store.has(Digest.parse(digest)) for digest in images)


def test_the_same_digests_on_every_engine(tiny: Tiny, tmp_path: Path) -> None:
    """Five connectors have the same digests here and on two workers, of which one dies while it works."""
    make_fleet(tiny)
    *stores, own = homes(tiny, tmp_path, 3)
    here = tiny.run(*BUILD, home=own)
    assert here.code == 0, here.err
    with cluster(tmp_path, tiny, [Worker(home) for home in stores]) as (address, workers):
        started = tiny.start(*BUILD, "--executor", address, home=tmp_path / "client")
        assert started.stdout and started.stderr
        first = started.stdout.readline()
        os.killpg(workers[0].pid, signal.SIGKILL)
        output, error = started.communicate(timeout=300)
    assert started.returncode == 0, error
    assert digests(first + output) == digests(here.out)
    assert len(digests(here.out)) == len(NAMES)


def test_workers_that_differ(tiny: Tiny, tmp_path: Path) -> None:
    """Workers in another network, slow ones, of another version, and with too little memory.

    The first two build the same digests, and the slow one fewer; the others get no jobs, with the reason.
    """
    make_fleet(tiny)
    away, slow, old, small, own = homes(tiny, tmp_path, 5)
    here = digests(tiny.run(*BUILD, home=own).out)
    assert len(here) == len(NAMES)
    memory = ("--resources", "MEMORY=3e9")
    index = urlsplit(tiny.index.url).port or 0
    with clusters.network("airbyte-ci-worker") as (host, inside), clusters.forwarded(host, index) as forwarded:
        workers = [
            Worker(away, memory, {"PIP_INDEX_URL": f"http://{host}:{forwarded}/simple/"}, inside),
            Worker(slow, memory),
            Worker(old, memory, clusters.other_version(tmp_path / "old")),
            Worker(small, ("--resources", "MEMORY=1e9")),
        ]
        with cluster(tmp_path, tiny, workers, ("--host", host)) as (address, processes):
            too_much = tiny.run(*BUILD, "--executor", address, "--job-memory", "8GB", home=tmp_path / "client")
            with clusters.slowed(processes[1]):
                done = tiny.run(*BUILD, "--executor", address, "--job-memory", "2GB", home=tmp_path / "client")
    assert done.code == 0, done.err
    assert digests(done.out) == here
    warnings = done.err.splitlines()
    assert len(warnings) == 2, done.err
    assert any(f"gets no jobs: this worker has airbyte-ci 0.0.1 instead of {__version__}" in one for one in warnings)
    assert any("gets no jobs: its resource MEMORY is 1.0 GB, and a job needs 2.0 GB" in one for one in warnings)
    assert [built_in(home, here.values()) for home in (old, small)] == [0, 0]
    assert built_in(away, here.values()) > built_in(slow, here.values())
    assert (too_much.code, too_much.out) == (1, "")
    assert "no worker of the Dask cluster can run the jobs" in too_much.err.splitlines()[-1]


def test_a_cluster_with_certificates(tiny: Tiny, tmp_path: Path) -> None:
    """With certificates of one authority, jobs run; without them, or with another authority's, one line says why."""
    make_fleet(tiny)
    one, own = homes(tiny, tmp_path, 2)
    (expected,) = digests(tiny.run("connectors", f"--name={NAMES[0]}", "build", "--json", home=own).out).values()
    known, foreign = (clusters.certificates(tmp_path / name, name) for name in ("known", "foreign"))
    build = ("connectors", f"--name={NAMES[0]}", "build", "--json", "--executor")
    client = tmp_path / "client"
    with cluster(tmp_path, tiny, [Worker(one)], ("--protocol=tls",), known) as (address, _):
        assert address.startswith("dask+tls://")
        done = tiny.run(*build, address, home=client, env=clusters.as_client(known))
        assert digests(done.out) == {NAMES[0]: expected}, done.err
        wrong = tiny.run(*build, address, home=client, env=clusters.as_client(foreign))
        missing = tiny.run(*build, address, home=client)
        plain = tiny.run(*build, address.replace("dask+tls", "dask"), home=client)
    reasons = ("certificate verify failed", "check your TLS configuration", "")
    for result, reason in zip((wrong, missing, plain), reasons, strict=True):
        assert (result.code, result.out) == (1, ""), result
        (line,) = result.err.strip().splitlines()
        assert line.startswith("✗ cannot connect to the Dask scheduler dask") and reason in line
        assert "the certificates in Dask's configuration" in line


def test_releases_of_workers(tiny: Tiny, tmp_path: Path, registry: str) -> None:
    """`publish --executor` pushes from the workers: the registry has each release, with the digest of a build here."""
    make_fleet(tiny)
    *stores, own = homes(tiny, tmp_path, 3)
    prefix = f"{registry}/engines"
    publish = (*SELECTED, "publish", f"--registry={prefix}", "--json")
    here = tiny.run(*publish, "--dry-run", home=own)
    assert here.code == 0, here.out + here.err
    with cluster(tmp_path, tiny, [Worker(home) for home in stores]) as (address, _):
        done = tiny.run(*publish, "--executor", address, home=tmp_path / "client")
        file = tiny.run(*publish, "--artifacts", str(tmp_path / "x"), "--executor", address, home=tmp_path / "client")
    assert done.code == 0, done.out + done.err
    found = {item["name"]: item for item in documents(done.out)}
    assert digests(done.out) == digests(here.out)
    assert found.keys() == {*NAMES}
    with quick_client() as client:
        for item in found.values():
            assert str(client.resolve(Reference.parse(item["address"].partition("@")[0])).digest) == item["digest"]
    assert (file.code, "--artifacts names a file of this machine" in file.err) == (2, True)
