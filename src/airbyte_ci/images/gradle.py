"""Runs Gradle for the distribution of a Java connector: only if the user asks for it, with the user's environment.

Gradle runs the repository's own code on this machine, with network, outside of any sandbox.
"""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError

_WRAPPER = "gradlew"


def build_distribution(connector: Connector, environment: Mapping[str, str]) -> None:
    """Runs the task distTar of the connector's project; its output goes to stderr. Raises ConnectorError."""
    folder = _root(connector)
    if folder is None:
        raise ConnectorError(
            f"cannot build {connector.name} with Gradle: no folder from {connector.place} up to the repository's "
            f"root has a {_WRAPPER}",
            advice="build the distribution by hand, and name it with --dist-tar FILE",
        )
    task = _task(connector, folder, "distTar")
    try:
        # The file descriptor 2 is this process's stderr: stdout is for results.
        done = subprocess.run(
            [f"./{_WRAPPER}", task], cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=2, check=False
        )
    except OSError as error:
        raise ConnectorError(
            f"cannot build {connector.name} with Gradle: ./{_WRAPPER} cannot be run ({error.strerror})",
            advice=f"chmod +x {shlex.quote(str(folder / _WRAPPER))}" if isinstance(error, PermissionError) else None,
        ) from error
    if done.returncode:
        raise ConnectorError(
            f"cannot build {connector.name}: ./{_WRAPPER} {task} failed with exit code {done.returncode}"
        )


def command(connector: Connector, task: str) -> str:
    """Returns the command that runs a task of the connector's project; empty without a Gradle wrapper."""
    folder = _root(connector)
    return f"./{_WRAPPER} {_task(connector, folder, task)}" if folder else ""


def _root(connector: Connector) -> Path | None:
    """Returns the nearest folder with a Gradle wrapper, from the connector's up to the repository's root."""
    depth = len([part for part in connector.relative.split("/") if part not in ("", ".")])
    candidates = (connector.folder, *list(connector.folder.parents)[:depth])
    return next((folder for folder in candidates if (folder / _WRAPPER).is_file()), None)


def _task(connector: Connector, folder: Path, task: str) -> str:
    return "".join(f":{part}" for part in (*connector.folder.relative_to(folder).parts, task))
