"""Files that a command writes for the user: reports and lists. Light to import."""

from pathlib import Path

from airbyte_ci import disk
from airbyte_ci.errors import UsageError


def write_report(path: Path, text: str, *, make_folders: bool = False) -> None:
    """Writes a report whole or not at all, on request with the folders above it; raises UsageError."""
    try:
        if make_folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        disk.write_file(path, text.encode())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
