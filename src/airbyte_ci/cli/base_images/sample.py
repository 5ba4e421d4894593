"""Builds a sample of the fleet on a base image, because a base image must meet the connectors' needs."""

import os
import subprocess
import sys

from airbyte_ci.base_images.catalog.latest import admits
from airbyte_ci.base_images.inspection.checks import CheckResult
from airbyte_ci.campaigns.bases import pythons
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.base_images.bench import Bench
from airbyte_ci.cli.options import SelectionOptions
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.documents import load_json
from airbyte_ci.errors import LockError
from airbyte_ci.oci.reference import Reference

# A separate tag, so that the users' own images keep their names.
_TAG = "base-image-check"


def built_on(settings: Settings, bench: Bench, address: Reference, python: str, count: int) -> list[CheckResult]:
    """Builds connectors on the address and runs `spec` in each; skips connectors that do not allow its Python."""
    fleet = fleets.load(settings, SelectionOptions(everything=True), may_be_empty=True)
    fitting = [
        item for item in fleet.connectors if item.is_python and not item.has_dockerfile and _admits(item, python)
    ]
    results = []
    for connector in _spread(fitting, count):
        bench.work.say(f"building {connector.name}")
        results.append(
            CheckResult(f"{connector.name} builds on it, and spec succeeds", _failure(bench, connector, address))
        )
    return results


def _admits(connector: Connector, python: str) -> bool:
    try:
        return admits(pythons.declared(connector).specifiers, python)
    except LockError:
        return False


def _spread(connectors: list[Connector], count: int) -> list[Connector]:
    """Returns `count` connectors, evenly spread, because neighbors in the alphabet are often of one kind."""
    if count >= len(connectors):
        return connectors
    return [connectors[number * len(connectors) // count] for number in range(count)]


def _failure(bench: Bench, connector: Connector, address: Reference) -> str:
    """Builds with the same command as users, in a separate process; returns the reason of a failure, else nothing."""
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
