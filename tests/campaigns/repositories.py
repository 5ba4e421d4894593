"""The example repositories, copied into a folder and committed to git there."""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from airbyte_ci import config
from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.campaigns.changes import baseline
from airbyte_ci.campaigns.changes.task import NO_CATALOG, RequestedEntry, Task
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.files import Files

EXAMPLES = Path(__file__).parents[2] / "examples"
CONNECTORS = "airbyte-integrations/connectors"


def git(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    command = ["git", "-C", str(root), "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
    return subprocess.run(command, check=True, capture_output=True, env=environment, text=True).stdout


def copied(example: str, target: Path) -> Path:
    """A copy of an example, as the first commit of its own repository."""
    target.mkdir(parents=True, exist_ok=True)
    command = ["tar", "--extract", "--no-same-owner", "--directory", str(target)]
    subprocess.run(command, input=_committed(example), check=True)
    return target


@functools.cache
def _committed(example: str) -> bytes:
    """The archive of an example's repository: to commit the files for each test costs ten times as much."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / example
        shutil.copytree(EXAMPLES / example, root, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
        git(root, "init", "-q", "-b", "main")
        commit(root)
        git(root, "repack", "-adq")
        command = ["tar", "--create", "--format=posix", "--directory", str(root), "."]
        return subprocess.run(command, check=True, capture_output=True).stdout


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", "work")


def opened(root: Path) -> tuple[Configuration, dict[str, Connector]]:
    """The repository's configuration and its connectors by name, read again."""
    configuration = config.find(root)
    connectors, errors = find.find(configuration)
    assert not errors
    return configuration, {item.name: item for item in connectors}


def task(
    root: Path,
    name: str,
    entry: RequestedEntry,
    *,
    deletes: Iterable[str] = (),
    known: Catalog = NO_CATALOG,
    files: Files | None = None,
) -> Task:
    """The inputs of one connector's change in a run."""
    configuration, connectors = opened(root)
    return Task(
        connector=connectors[name],
        configuration=configuration,
        files=files or Files(root),
        baseline=baseline.of([connectors[name]], configuration, doomed=deletes),
        entry=entry,
        catalog=known,
    )


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file outside of .git, by its path."""
    found = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.relative_to(root).parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def with_remote(root: Path) -> None:
    """Pushes the repository to a bare one next to it, `remote.git`, and names a committer."""
    remote = root.parent / "remote.git"
    git(root.parent, "init", "-q", "--bare", "-b", "main", remote.name)
    git(root, "remote", "add", "origin", f"file://{remote}")
    git(root, "push", "-q", "origin", "main")
    git(root, "remote", "set-head", "origin", "-a")
    for key, value in {"user.name": "Ann", "user.email": "ann@example.com"}.items():
        git(root, "config", key, value)
