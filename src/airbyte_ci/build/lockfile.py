"""A connector's lock: which file it has, and what that selects for an interpreter."""

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import LockError
from airbyte_ci.python import poetry
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import Lock


def select(connector: Connector, interpreter: Interpreter) -> Lock:
    """The connector's locked packages; raises LockError for no lock, a stale one, or one for another Python."""
    if "poetry.lock" not in connector.names:
        raise LockError(
            f"building {connector.name}: {connector.relative} has no poetry.lock, so what to install is not known",
            advice=f"cd {connector.relative} && poetry lock (a setup.py must become a pyproject.toml first)",
        )
    if "pyproject.toml" not in connector.names:
        raise LockError(f"building {connector.name}: {connector.relative} has a poetry.lock but no pyproject.toml")
    texts = []
    for name in ("poetry.lock", "pyproject.toml"):
        try:
            texts.append((connector.folder / name).read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise LockError(f"reading {connector.relative}/{name}: {error}") from error
    return poetry.select(texts[0], texts[1], interpreter, connector.relative)
