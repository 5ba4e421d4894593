"""TOML documents of a connector: parsed, or refused in one line that names the file and the place."""

import tomllib
from typing import Any

from airbyte_ci.errors import LockError


def parse(text: str, what: str) -> dict[str, Any]:
    """Raises LockError naming the file and the place."""
    refuse_conflict(text, what)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LockError(f"{what} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise LockError(f"{what} is not valid TOML: it is nested too deeply") from error


def refuse_conflict(text: str, what: str) -> None:
    """Raises LockError for a text that a merge left half-way."""
    if "<<<<<<<" in text and ">>>>>>>" in text:
        raise LockError(f"{what} holds merge conflict markers", advice="resolve the conflict, then lock again")
