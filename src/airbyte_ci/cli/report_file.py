"""Writes reports and lists to files for the user. Cheap to import."""

from pathlib import Path

from airbyte_ci import disk
from airbyte_ci.errors import UsageError


def write_report(path: Path, text: str, *, make_folders: bool = False) -> None:
    """Writes a report completely or not at all, on request with its parent folders; raises UsageError."""
    try:
        if make_folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        disk.write_file(path, text.encode())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
