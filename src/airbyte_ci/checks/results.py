"""Results of the last build and the last test of a connector's current files, kept in the store.

    built, tested     action "connector-built" or "connector-tested", version 2, of {connector, inputs} → Result
    known             action "connector-results", version 2, of {connector} → {}: results may exist

`connector` is its image repository. `inputs` is the digest of its folder's files: those that git does not ignore, by
path, mode and content. Builds and tests store the result under the digest that was computed *before* they started;
the checks read it. A connector without any result costs one look-up, and its files are not read.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError
from airbyte_ci.git import git
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import canonical_json
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.outcomes import Status
from airbyte_ci.records import dataclass

Kind = Literal["built", "tested"]
FORMAT_VERSION = 2
# Written by tools that run in the folder; used only without git, which otherwise says what is ignored.
_JUNK = frozenset({".git", ".venv", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "build", "dist"})
# Credentials are in these folders while tests run; they are never committed, so other machines do not have them.
_SECRETS = "secrets"


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """The outcome, a one-line summary, and the time (ISO 8601, UTC); unverified: too few steps ran."""

    status: Status
    summary: str = ""
    at: str = ""


def remember(store: Store, connector: Connector, inputs: Digest, kind: Kind, result: RecordedResult) -> None:
    """Stores a result; a later result of the same inputs replaces it, unless the later one is unverified."""
    if result.status == "unverified" and recall(store, connector, inputs, kind) is not None:
        return
    value = {"status": result.status, "summary": result.summary, "at": result.at}
    store.remember(_key(connector, inputs, kind), value)
    store.remember(_known(connector), {})


def recall(store: Store, connector: Connector, inputs: Digest, kind: Kind) -> RecordedResult | None:
    """Returns the result for exactly these inputs."""
    value = store.recall(_key(connector, inputs, kind))
    return None if value is None else RecordedResult(value["status"], str(value["summary"]), str(value["at"]))


def is_known(store: Store, connector: Connector) -> bool:
    """Returns whether the store has any result of the connector."""
    return store.recall(_known(connector)) is not None


def inputs_of(connector: Connector) -> Digest:
    """Returns the digest of the connector's current files; raises ConnectorError when one cannot be read."""
    try:
        entries = [_entry(connector.folder, path) for path in sorted(_paths(connector.folder))]
    except OSError as error:
        raise ConnectorError(f"cannot read the files of {connector.place}: {error}") from error
    return Digest.of(canonical_json([entry for entry in entries if entry]))


def _key(connector: Connector, inputs: Digest, kind: Kind) -> Digest:
    value = {"connector": connector.image_repository, "inputs": str(inputs)}
    return action_key(f"connector-{kind}", FORMAT_VERSION, value)


def _known(connector: Connector) -> Digest:
    return action_key("connector-results", FORMAT_VERSION, {"connector": connector.image_repository})


def _paths(folder: Path) -> Iterator[str]:
    answer = git.ask(folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    if answer is not None and answer.returncode == 0:
        found = {path.decode("utf-8", "surrogateescape") for path in answer.stdout.split(b"\0") if path}
    else:
        found = set(_walk(folder, ""))
    return (path for path in found if not path.startswith(f"{_SECRETS}/"))


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    for item in os.scandir(folder):
        if item.name in _JUNK or item.name.endswith(".pyc"):
            continue
        if item.is_dir(follow_symlinks=False):
            yield from _walk(Path(item.path), f"{prefix}{item.name}/")
        else:
            yield f"{prefix}{item.name}"


def _entry(folder: Path, path: str) -> list[Any] | None:
    """Returns path, kind and content; None for a file that git tracks and that no longer exists."""
    place = folder / path
    name = path.encode("utf-8", "surrogateescape").hex() if not path.isprintable() else path
    try:
        mode = place.lstat().st_mode
        if stat.S_ISLNK(mode):
            return [name, "link", str(place.readlink())]
        kind = "executable" if mode & stat.S_IXUSR else "file"
        return [name, kind, hashlib.sha256(place.read_bytes()).hexdigest()] if stat.S_ISREG(mode) else None
    except FileNotFoundError:
        return None
