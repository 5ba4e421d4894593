"""Building a sample of the fleet on a base image: what a base must carry is what connectors need of it."""

import os
import subprocess
import sys

from airbyte_ci.base_images.checks import CheckResult
from airbyte_ci.base_images.latest import admits
from airbyte_ci.campaigns import pythons
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.base_images_bench import Bench
from airbyte_ci.cli.options import Asked
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.documents import load_json
from airbyte_ci.errors import LockError
from airbyte_ci.oci.reference import Reference

# A tag of its own: what people built themselves stays under the name that they gave it.
_TAG = "base-image-check"


def built_on(settings: Settings, bench: Bench, address: Reference, python: str, count: int) -> list[CheckResult]:
    """Builds connectors on the address and asks each for its `spec`; those whose Python it is not are not taken."""
    fleet = fleets.load(settings, Asked(everything=True), may_be_empty=True)
    fitting = [
        item for item in fleet.connectors if item.is_python and not item.has_dockerfile and _admits(item, python)
    ]
    results = []
    for connector in _spread(fitting, count):
        bench.work.say(f"building {connector.name}")
        results.append(
            CheckResult(f"{connector.name} is built on it and answers spec", _failure(bench, connector, address))
        )
    return results


def _admits(connector: Connector, python: str) -> bool:
    try:
        return admits(pythons.declared(connector).specifiers, python)
    except LockError:
        return False


def _spread(connectors: list[Connector], count: int) -> list[Connector]:
    """So many of them, evenly: the first ones by name are often of one kind."""
    if count >= len(connectors):
        return connectors
    return [connectors[number * len(connectors) // count] for number in range(count)]


def _failure(bench: Bench, connector: Connector, address: Reference) -> str:
    """Why it cannot be built, empty when it can; by the very command that people use, in a process of its own."""
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "airbyte_ci", "--repo", str(bench.configuration.root), "--json"),
            *("connectors", f"--name={connector.name}", "build", f"--base-image={address}", f"--tag={_TAG}"),
        ],
        env={**os.environ, "AIRBYTE_CI_HOME": str(bench.store.root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode == 0:
        return ""
    try:
        return str(load_json(finished.stdout.splitlines()[-1])["reason"])
    except (ValueError, LookupError):
        return finished.stderr.strip()[-300:] or f"exit code {finished.returncode}"
