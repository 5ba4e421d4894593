"""Locks upgraded by poetry itself, from an index on loopback, by the actual command."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from airbyte_ci.campaigns.migrations import upgrade_dependencies
from tests import loopback
from tests.campaigns.repositories import CONNECTORS, commit, copied, snapshot
from tests.e2e.command import Result, airbyte_ci
from tests.oracles.plans import POETRY
from tests.python import sample_wheels

pytestmark = pytest.mark.slow
NAME = "source-tides"
FOLDER = Path(CONNECTORS) / NAME
LOCK = FOLDER / "poetry.lock"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Place:
    """The example fleet, a folder that is served as an index, and poetry as it is found on PATH."""

    fleet: Path
    index: Path
    binaries: Path

    def publish(self, name: str, version: str, *requires: str) -> None:
        """A wheel in the index, whose requirements poetry reads."""
        (folder := self.index / name).mkdir(parents=True, exist_ok=True)
        package = name.replace("-", "_")
        lines = "".join(f"Requires-Dist: {item}\n" for item in requires)
        metadata = sample_wheels.METADATA.format(name=name, version=version) + lines
        sample_wheels.make(folder, package, version, {f"{package}-{version}.dist-info/METADATA": metadata})
        links = "".join(f'<a href="{path.name}">{path.name}</a>\n' for path in sorted(folder.glob("*.whl")))
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")

    def poetry(self, *arguments: str) -> str:
        command = [str(self.binaries / "poetry"), *arguments, "--no-interaction", "--no-cache"]
        done = subprocess.run(command, cwd=self.fleet / FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def upgrade(self, *arguments: str) -> Result:
        path = f"{self.binaries}:{os.environ['PATH']}"
        # What poetry once read of an index it believes from its cache.
        cache = str(self.index.parent / f"cache-{len(list(self.index.rglob('*.whl')))}")
        return airbyte_ci(
            *("connectors", f"--name={NAME}", "upgrade_dependencies", *arguments),
            cwd=self.fleet,
            home=self.index.parent / "home",
            env={"PATH": path, "POETRY_CACHE_DIR": cache},
        )


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with poetry, installed from the package index for these tests."""
    folder = tmp_path_factory.mktemp("poetry")
    environment = {**os.environ, "UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "tool", "install", "--quiet", POETRY], env=environment, check=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, binaries: Path) -> Iterator[Place]:
    """A connector that takes its packages from the index alone, locked by poetry once for all tests."""
    folder = tmp_path_factory.mktemp("locked")
    made = Place(copied("fleet", folder / "fleet"), folder / "index", binaries)
    made.publish("python-dateutil", "2.9.0", "six>=1.5")
    made.publish("six", "1.16.0")
    served = folder / "served"  # leads to the index of the test
    served.symlink_to(made.index)
    with loopback.running(ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(served)))) as port:
        project = made.fleet / FOLDER / "pyproject.toml"
        source = f'\n[[tool.poetry.source]]\nname = "ours"\nurl = "http://127.0.0.1:{port}/"\n'
        project.write_text(project.read_text() + source)
        (made.fleet / LOCK).unlink()
        made.poetry("lock")
        commit(made.fleet)
        yield made


@pytest.fixture
def place(tmp_path: Path, locked: Place) -> Place:
    """A copy of the connector and of its index, which the server shows from now on."""
    made = Place(tmp_path / "fleet", tmp_path / "index", locked.binaries)
    shutil.copytree(locked.fleet, made.fleet, symlinks=True)
    shutil.copytree(locked.index, made.index)
    served = locked.index.with_name("served")
    served.unlink()
    served.symlink_to(made.index)
    return made


def test_what_is_newer_is_locked_and_told(place: Place) -> None:
    """The lock is the one that poetry makes and holds for true, with the version and the row; else nothing changes."""
    again = place.upgrade("7")
    assert (again.code, "its dependencies are the newest that it admits" in again.out) == (1, True)
    before = snapshot(place.fleet)
    place.publish("python-dateutil", "2.9.1", "six>=1.5", "tzlocal")
    place.publish("python-dateutil", "3.0.0")
    place.publish("tzlocal", "5.2")
    assert place.upgrade("7", "--dry-run").code == 0
    assert snapshot(place.fleet) == before

    done = place.upgrade("7")
    assert done.code == 0, done.out + done.err
    assert done.out.startswith(f"✓ {NAME} 0.2.4 → 0.2.5 with 2 packages changed\n")
    assert "python-dateutil 2.9.0 → 2.9.1, + tzlocal 5.2" in done.out
    after = snapshot(place.fleet)
    assert {path for path in after if after[path] != before.get(path)} == {
        *(f"{FOLDER}/{name}" for name in ("metadata.yaml", "poetry.lock", "pyproject.toml")),
        "docs/integrations/sources/tides.md",
    }
    place.poetry("check", "--lock")
    place.poetry("update", "--lock")
    assert (place.fleet / LOCK).read_bytes() == after[str(LOCK)]


def test_one_package_only(place: Place) -> None:
    """Unnamed packages stay, even if newer versions exist."""
    before = (place.fleet / LOCK).read_bytes()
    place.publish("python-dateutil", "2.9.1", "six>=1.5")
    place.publish("six", "1.17.0")
    done = place.upgrade("7", "--package=six")
    assert done.code == 0, done.out + done.err
    difference = upgrade_dependencies.compare(before, (place.fleet / LOCK).read_bytes())
    assert str(difference) == "six 1.16.0 → 1.17.0"


def test_what_poetry_says_is_told(place: Place) -> None:
    """A lock that cannot be made is one line with poetry's own words, exit code 1, and nothing is changed."""
    project = place.fleet / FOLDER / "pyproject.toml"
    project.write_text(project.read_text().replace('"^2.9"', '"^7.0"'))
    before = snapshot(place.fleet)
    done = place.upgrade("7")
    assert done.code == 1
    assert f"upgrading {NAME}: poetry update --lock --no-interaction ended with 1: " in done.out
    assert "python-dateutil (^7.0)" in done.out
    assert snapshot(place.fleet) == before
