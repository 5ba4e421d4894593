"""Shared fixtures of the end-to-end tests: the command as a process, a scratch fleet, and the demo's base image."""

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.docker_registry import docker_registry
from tests.campaigns.repositories import copied
from tests.e2e.command import GIT, PROJECT, Command, Result, airbyte_ci
from tests.e2e.http_source import Api, serve
from tests.e2e.tiny import Tiny, share, tiny_fleet

__all__ = ["GIT", "PROJECT", "Base", "Command", "Result", "airbyte_ci", "make_fleet"]


# Kept between sessions, so that only the first one builds base images; scripts/in-memory has one for its session.
SHARED_STORE = Path(os.environ.get("TEST_STORE") or PROJECT / ".scratch" / "test-store")


@pytest.fixture(scope="session")
def home(worker_id: str) -> Path:
    """The store of this worker's tests.

    Their connectors have the same names, so each worker has names of its own. All else is one store, so that what one
    worker fetched, compiled and unpacked is there for the others.
    """
    Store(SHARED_STORE)
    if worker_id == "master":
        return SHARED_STORE
    home = SHARED_STORE.with_name(f"{SHARED_STORE.name}-{worker_id}")
    share(SHARED_STORE, home, "actions", "blobs", "caches", "records", "snapshots")
    return home


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A copy of the example fleet in a git repository of its own."""
    return make_fleet(tmp_path / "fleet")


def make_fleet(folder: Path) -> Path:
    return copied("fleet", folder)


@pytest.fixture
def run(fleet: Path, home: Path) -> Command:
    """The command in the scratch fleet."""

    def call(*arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Result:
        return airbyte_ci(*arguments, cwd=cwd or fleet, home=home, env=env)

    return call


@dataclass(frozen=True)
class Base:
    """The demo's base image: its address, and the catalog text that names it."""

    address: str
    catalog: str


@pytest.fixture(scope="session")
def base(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The demo's base image in the store of this worker; workers wait for the first one that builds it."""
    folder = make_fleet(tmp_path_factory.mktemp("base") / "fleet")
    address = build_shared_base(folder, home, "--root", "debian")
    return Base(address, (folder / "base-images.yaml").read_text())


def build_shared_base(folder: Path, home: Path, *arguments: str) -> str:
    """Builds a base image, once for all workers; returns its address."""
    with (SHARED_STORE.parent / "base.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = airbyte_ci("base-images", "build", *arguments, cwd=folder, home=home)
        assert built.code == 0, built.err
    return built.out.splitlines()[-1]


@pytest.fixture
def cataloged(fleet: Path, base: Base) -> Path:
    """The scratch fleet with the demo's base image in its catalog."""
    (fleet / "base-images.yaml").write_text(base.catalog)
    return fleet


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's docker-registry on a free loopback port: `host:port`."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's Docker daemon with folders of its own: what DOCKER_HOST must be.

    It ends with this process, and mounts in a namespace of its own: even if both are killed, nothing stays mounted.
    """
    folder = tmp_path_factory.mktemp("docker")
    address = f"unix://{folder}/docker.sock"
    command = [
        *("setpriv", "--pdeathsig=TERM", "unshare", "--mount"),
        *("dockerd", "--host", address, "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
        *("--pidfile", str(folder / "pid"), "--bridge=none", "--iptables=false", "--ip6tables=false"),
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 60
            while subprocess.run(["docker", "--host", address, "version"], capture_output=True, check=False).returncode:
                assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home)


@pytest.fixture
def tiny(tmp_path: Path, home: Path, base: Base) -> Iterator[Tiny]:
    """A repository with one tiny connector on the demo's base image."""
    with tiny_fleet(tmp_path, home, base.address) as made:
        yield made


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """An HTTPS server that connectors read."""
    with serve(tmp_path) as found:
        yield found
