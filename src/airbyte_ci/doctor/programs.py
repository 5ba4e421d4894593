"""Checks of the programs that builds use: Python here and in base images, git, uv, Docker."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from airbyte_ci.doctor.check import MachineCheck
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.store.store import Store
from airbyte_ci.sandbox import runner


def check_python() -> MachineCheck:
    version = ".".join(map(str, sys.version_info[:3]))
    return MachineCheck(name="python", status="ok", told=f"{version} runs this command and hook modules")


def check_pythons(store: Store, native: Platform) -> MachineCheck:
    """Checks the interpreters of the base images in the store, each inspected in its own image on first use."""
    from airbyte_ci.doctor import bases  # slow to import
    from airbyte_ci.python.interpreter import inventory

    name = "pythons of base images"
    versions: dict[str, int] = {}
    for image in bases.found(store, native):
        try:
            version = inventory.of(store, image).interpreter.version
        except AirbyteCiError as error:
            cost = "connectors on that base image cannot be built"
            return MachineCheck(
                name=name,
                status="limited",
                told=f"{image.digest}: {error.message}",
                error_id=error.error_id,
                cost=cost,
                advice=error.advice or "",
            )
        versions[version] = versions.get(version, 0) + 1
    if not versions:
        return MachineCheck(name=name, status="untried", told="the store has no base images")
    told = ", ".join(f"CPython {version} ({count})" for version, count in sorted(versions.items()))
    return MachineCheck(name=name, status="ok", told=f"{told} in the store")


def check_git() -> MachineCheck:
    return _program("git", ("git", "--version"), "--modified and packages from git fail", "apt-get install git")


def check_uv() -> MachineCheck:
    cost = "`lock` and connectors without a lock file fail"
    advice = f"{sys.executable} -m pip install uv"
    try:
        from uv import find_uv_bin

        return _program("uv", (str(find_uv_bin()), "--version"), cost, advice)
    except (ImportError, FileNotFoundError):
        return MachineCheck(name="uv", status="limited", told="not found", cost=cost, advice=advice)


def check_runner() -> MachineCheck:
    """Checks where commands in images run; the other checks show whether they do."""
    try:
        chosen = runner.choose(os.environ)
    except AirbyteCiError as error:
        cost = "commands cannot run in images: hooks, bytecode, sdists and `spec` fail"
        return MachineCheck(
            name="runner",
            status="missing",
            told=error.message,
            error_id=error.error_id,
            cost=cost,
            advice=error.advice or "",
        )
    return MachineCheck(name="runner", status="ok", told=str(chosen))


def check_docker() -> MachineCheck:
    """Checks Docker. Only one output needs it, so a missing client is no failure. Asks the daemon, not the client."""
    cost = "only --output=docker fails"
    if shutil.which("docker") is None:
        return MachineCheck(name="docker", status="ok", told="not installed", cost=cost)
    command = ("docker", "version", "--format", "{{.Server.Version}}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return MachineCheck(name="docker", status="ok", told=f"the client is installed but fails ({error})", cost=cost)
    if done.returncode:
        said = "".join(done.stderr.strip().splitlines()[-1:])
        return MachineCheck(
            name="docker", status="ok", told=f"the client is installed, but no daemon responds ({said})", cost=cost
        )
    return MachineCheck(name="docker", status="ok", told=f"the daemon responds, version {done.stdout.strip()}")


def _program(name: str, command: Sequence[str], cost: str, advice: str) -> MachineCheck:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return MachineCheck(name=name, status="limited", told="not found, or failing", cost=cost, advice=advice)
    return MachineCheck(
        name=name, status="ok", told=done.stdout.strip().splitlines()[0] if done.stdout.strip() else "there"
    )
