"""Pulling and pushing 250 MB against `skopeo copy`, on the same loopback docker-registry; and a push of nothing new."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import Measure, Result, medians, seconds

from airbyte_ci.images.outputs import together, write_layout
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.testing.docker_registry import docker_registry

PLATFORM = Platform("linux", "amd64")
ROUNDS = 5
_PUSH = """
import sys, pathlib
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.oci.store.store import Store
with client_of_user(RegistryOptions()) as client:
    client.push(Store(pathlib.Path(sys.argv[1])), Digest(sys.argv[2]), Reference.parse(sys.argv[3]))
"""
_PULL = """
import sys, pathlib
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.oci.store.store import Store
with client_of_user(RegistryOptions()) as client:
    client.pull(Reference.parse(sys.argv[2]), Platform("linux", "amd64"), Store(pathlib.Path(sys.argv[1])))
"""


def _image(store: Store, layers: int) -> Image:
    from airbyte_ci.testing.images import random_image

    return random_image(store, seed=layers, layers=layers, size=250_000_000 // layers, platform=PLATFORM)


def push(layers: int) -> Result:
    """Each round into a repository that the registry has never seen, in another registry for each side."""
    with (
        tempfile.TemporaryDirectory() as name,
        docker_registry(Path(name) / "a") as ours,
        docker_registry(Path(name) / "b") as theirs,
    ):
        store = Store(Path(name) / "store")
        image = _image(store, layers)
        layout = Path(name) / "layout"
        write_layout(store, together(store, [image]), layout, ["image"])

        def our_push() -> float:
            _forget(Path(name) / "a")
            return seconds([sys.executable, "-c", _PUSH, str(store.root), image.digest.hex, f"{ours}/x:1"])

        def skopeo_push() -> float:
            _forget(Path(name) / "b")
            target = f"docker://{theirs}/x:1"
            return seconds(["skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:image", target])

        return medians(our_push, skopeo_push, ROUNDS)


def _forget(folder: Path) -> None:
    subprocess.run(["rm", "-rf", str(folder / "data" / "docker")], check=True)


def pull(layers: int) -> Result:
    """Each round into an empty folder."""
    with tempfile.TemporaryDirectory() as name, docker_registry(Path(name) / "a") as host:
        store = Store(Path(name) / "store")
        image = _image(store, layers)
        with client_of_user(RegistryOptions()) as client:
            client.push(store, image.digest, Reference.parse(f"{host}/x:1"))
        rounds = iter(range(1000))

        def our_pull() -> float:
            return seconds([sys.executable, "-c", _PULL, str(Path(name) / f"o{next(rounds)}"), f"{host}/x:1"])

        def skopeo_pull() -> float:
            target = f"oci:{Path(name) / f's{next(rounds)}'}:x"
            return seconds(["skopeo", "copy", "--src-tls-verify=false", f"docker://{host}/x:1", target])

        return medians(our_pull, skopeo_pull, ROUNDS)


def push_of_nothing() -> Result:
    """In this process, so after start-up: the median against the bar of 60 ms."""
    with tempfile.TemporaryDirectory() as name, docker_registry(Path(name) / "a") as host:
        store = Store(Path(name) / "store")
        image = _image(store, 5)

        def once() -> float:
            with client_of_user(RegistryOptions()) as client:
                started = time.perf_counter()
                client.push(store, image.digest, Reference.parse(f"{host}/x:1"))
                return time.perf_counter() - started

        once()
        return medians(once, lambda: 0.060)


# VmHWM is of this program; getrusage would report the peak of its parent.
_PEAK = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


def memory() -> Result:
    """Peak memory of whole processes that pull and push 250 MB in one layer, against the bar of 80 MB."""
    with tempfile.TemporaryDirectory() as name, docker_registry(Path(name) / "a") as host:
        store = Store(Path(name) / "store")
        image = _image(store, 1)
        peaks = []
        for script, arguments in (
            (_PUSH, [str(store.root), image.digest.hex, f"{host}/x:1"]),
            (_PULL, [str(Path(name) / "other"), f"{host}/x:1"]),
        ):
            command = [sys.executable, "-c", script + _PEAK, *arguments]
            peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024)
        return f"push {peaks[0]:.0f} MB, pull {peaks[1]:.0f} MB (bar: 80 MB)"


MEASURES = (
    Measure("push 250 MB in 5 layers ÷ skopeo copy", 0.8, lambda: push(5)),
    Measure("push 250 MB in 1 layer ÷ skopeo copy", 0.8, lambda: push(1)),
    Measure("pull 250 MB in 5 layers ÷ skopeo copy", 0.7, lambda: pull(5)),
    Measure("pull 250 MB in 1 layer ÷ skopeo copy", 0.7, lambda: pull(1)),
    Measure("push of nothing new, after start-up ÷ 60 ms", 1, push_of_nothing),
    Measure("peak memory of pushing and pulling a layer of 250 MB", 1, memory),
)
