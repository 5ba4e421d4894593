"""Interrupted at any moment nothing is lost, nothing goes on running, and the next run goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.check import check
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from tests.e2e.conftest import Base, airbyte_ci
from tests.processes import until, wait_for_handlers

pytestmark = pytest.mark.slow
BUILD = ("connectors", "--name=source-exchange-rates-archive", "build")


@pytest.fixture
def address(base: Base, registry: str, store: Store) -> str:
    """The demo's base image in a registry, so that a cold store has to pull it."""
    reference = Reference.parse(base.address)
    assert reference.digest is not None
    target = Reference.parse(f"{registry}/airbyte/python-connector-base:1.0.0")
    with client_of_user(RegistryOptions()) as client:
        return str(target.with_digest(client.push(store, reference.digest, target).digest))


def left_behind(home: Path) -> list[str]:
    """Processes and mounts that speak of this store."""
    found = [line for line in Path("/proc/mounts").read_text().splitlines() if str(home) in line]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(home) in command and int(folder.name) != os.getpid():
            found.append(command)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_a_build_that_was_stopped_is_taken_up_again(
    number: signal.Signals, fleet: Path, address: str, tmp_path: Path
) -> None:
    """Stopped at several moments of a cold build; in the end it is built, and nothing is left behind."""
    home = tmp_path / "store"
    command = [sys.executable, "-m", "airbyte_ci", *BUILD, f"--base-image={address}"]
    environment = {**os.environ, "AIRBYTE_CI_HOME": str(home)}
    for delay in (0.3, 0.8, 1.5, 2.5, 4.0):
        process = subprocess.Popen(
            command, cwd=fleet, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        wait_for_handlers(process.pid)
        time.sleep(delay)  # the moment of the interruption, not something waited for
        process.send_signal(number)
        _, error = process.communicate(timeout=600)
        assert process.returncode in (0, 130, -number), error
        assert "Traceback" not in error
        # The kernel takes down namespaces on its own time.
        assert until(lambda: not left_behind(home)), left_behind(home)
    finished = airbyte_ci(*BUILD, f"--base-image={address}", cwd=fleet, home=home)
    assert finished.code == 0, finished.out + finished.err


def test_two_processes_build_and_push_the_same_image_at_once(
    fleet: Path, address: str, registry: str, tmp_path: Path
) -> None:
    """Side by side on one cold store: both succeed, with the same digest, and the store is whole."""
    home = tmp_path / "store"
    command = [
        *(sys.executable, "-m", "airbyte_ci", *BUILD),
        f"--base-image={address}",
        f"--output=registry:{registry}",
    ]
    environment = {**os.environ, "AIRBYTE_CI_HOME": str(home)}
    both = [
        subprocess.Popen([*command, "--json"], cwd=fleet, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [json.loads(process.communicate(timeout=600)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert answers[0]["digest"] == answers[1]["digest"]
    assert check(Store(home)).damages == ()
