"""A CI job of ten connectors in an empty store: with no cache, with an imported file, and with layers in a registry.

The code of each connector has changed since the cache was written, as in a job that builds modified connectors.
"""

import shutil
import tempfile
import time
from pathlib import Path

from builds import PROJECT, run_ours
from timing import Measure, Result

from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.testing.docker_registry import docker_registry

EXAMPLES = PROJECT / "examples/fleet"
NAMES = ("source-parcels", "source-weather-stations")
COPIES = 5


def ten_connectors() -> Result:
    """Seconds of one run each, which take minutes; the base image is in the registry, the packages on the index."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, docker_registry(Path(name) / "r") as host:
        folder = Path(name)
        base = _base(folder, host)
        repository = _repository(folder / "fleet")
        run = ("connectors", "--all", "build", "--base-image", base)
        push = (*run, "--no-verify", "--output", f"registry:{host}/ci")

        def timed(home: str, *commands: tuple[str, ...]) -> float:
            started = time.perf_counter()
            for command in commands:
                run_ours(folder / home, repository, *command)
            seconds = time.perf_counter() - started
            if home != "first":
                shutil.rmtree(folder / home)
            return seconds

        first = timed("first", run)
        file = str(folder / "cache.tar")
        exported = timed("first", ("store", "export", file, "--limit", "10GB"))
        size = Path(file).stat().st_size
        pushed = timed("pushing", push)
        _change(repository)
        imported = timed("imported", ("store", "import", file, "--trust-results"), run)
        _change(repository)
        mounted = timed("mounted", push)
    return (
        f"built and run: {first:.0f} s without, {imported:.0f} s with a file of {size / 1e6:.0f} MB "
        f"(exported in {exported:.1f} s); pushed: {pushed:.0f} s without, {mounted:.0f} s with a registry"
    )


def _base(folder: Path, host: str) -> str:
    """The demo's base image in the registry; its address there."""
    shutil.copytree(EXAMPLES, folder / "base")
    run_ours(folder / "home", folder / "base", "base-images", "build", "--root", "debian")
    store = Store(folder / "home")
    name = next(item for item in store.names() if "python-connector-base" in item)
    descriptor = store.resolve(name)
    assert descriptor
    place = Reference.parse(f"{host}/base:1.0.0")
    with client_of_user(RegistryOptions()) as client:
        return str(place.with_digest(client.push(store, descriptor.digest, place).digest))


def _repository(root: Path) -> Path:
    """Copies of two examples with about 80 packages each."""
    root.mkdir()
    shutil.copy(EXAMPLES / ".airbyte-ci.toml", root)
    for number in range(COPIES):
        for name in NAMES:
            copy = root / "airbyte-integrations/connectors" / f"{name}-{number}"
            shutil.copytree(EXAMPLES / "airbyte-integrations/connectors" / name, copy)
            for file in copy.glob("Dockerfile*"):
                file.unlink()
            package = name.replace("-", "_")
            (copy / package).rename(copy / f"{package}_{number}")
            for file in copy.rglob("*.py"):
                file.write_text(file.read_text().replace(package, f"{package}_{number}"))
            metadata = copy / "metadata.yaml"
            metadata.write_text(metadata.read_text().replace(f"acme/{name}", f"acme/{name}-{number}"))
    _change(root)
    return root


def _change(root: Path) -> None:
    for code in sorted(root.glob("airbyte-integrations/connectors/*/source_*/__init__.py")):
        code.write_text(f"{code.read_text()}# {time.time_ns()}\n")


MEASURES = (Measure("cold CI time of ten connectors, with and without a cache", 1, ten_connectors),)
