"""Parses a connector's TOML documents; errors name the file and the position in one line."""

from typing import Any

from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.errors import LockError


def parse(text: str, what: str) -> dict[str, Any]:
    """Parses TOML; raises LockError that names the file and the position."""
    refuse_conflict(text, what)
    try:
        return load_toml(text)
    except DocumentError as error:
        raise LockError(f"{what} is not valid TOML: {error}", error_id="lock-damaged") from error


def refuse_conflict(text: str, what: str) -> None:
    """Raises LockError for a text with merge conflict markers."""
    if "<<<<<<<" in text and ">>>>>>>" in text:
        raise LockError(
            f"{what} holds merge conflict markers",
            advice="resolve the conflict, then lock again",
            error_id="lock-damaged",
        )
