"""Reads the files of options that are passed to a connector."""

from collections.abc import Callable
from pathlib import Path

from airbyte_ci.errors import UsageError


def read_connector_file(path: Path | None, problem: Callable[[bytes], str]) -> bytes | None:
    """Returns the contents of a file for the connector; raises UsageError for an invalid file."""
    if path is None:
        return None
    text = path.read_bytes()
    if wrong := problem(text):
        raise UsageError(f"cannot read {path}: {wrong}")
    return text
