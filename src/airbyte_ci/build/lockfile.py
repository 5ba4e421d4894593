"""A connector's lock: which file it has, and what that selects for an interpreter."""

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import LockError
from airbyte_ci.oci.store import Store
from airbyte_ci.python import pinned, poetry
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import Lock

# In the order in which they count where a connector has several.
KINDS = ("poetry.lock", "uv.lock", "pylock.toml", "requirements.txt")


def select(connector: Connector, interpreter: Interpreter, store: Store, index: PackageIndex) -> Lock:
    """The connector's locked packages; raises LockError for no lock, a stale one, or one for another Python.

    Only hashed requirements need the index: they name no files.
    """
    kind = next((name for name in KINDS if name in connector.names), None)
    what = f"{connector.relative}/{kind}"
    match kind:
        case "poetry.lock":
            return poetry.select(_text(connector, kind), _project(connector, kind), interpreter, connector.relative)
        case "uv.lock":
            from airbyte_ci.python import uv_lock  # most connectors have another lock

            return uv_lock.select(_text(connector, kind), _project(connector, kind), interpreter, connector.relative)
        case "pylock.toml":
            from airbyte_ci.python import pylock

            return pylock.select(_text(connector, kind), interpreter, what)
        case "requirements.txt" if "--hash=sha256:" in (text := _text(connector, kind)):
            return pinned.lock(store, index, interpreter, text, what)
    raise LockError(
        f"building {connector.name}: {connector.relative} has no lock, so what to install is not known",
        advice="make one: `poetry lock`, `uv lock`, or hashed requirements by `uv pip compile --generate-hashes`",
    )


def _project(connector: Connector, lock: str) -> str:
    if "pyproject.toml" not in connector.names:
        raise LockError(f"building {connector.name}: {connector.relative} has a {lock} but no pyproject.toml")
    return _text(connector, "pyproject.toml")


def _text(connector: Connector, name: str) -> str:
    try:
        return (connector.folder / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"reading {connector.relative}/{name}: {error}") from error
