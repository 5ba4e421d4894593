"""The carrier's folder: which files hold which records, and how a line becomes a record."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PARCELS = "parcels*.csv"
SCANS = "scans*.jsonl"


def problem_of(folder: Path) -> str | None:
    """Say why nothing can be read from the folder, or None if it can be read."""
    if not folder.exists():
        return f"The folder {folder} does not exist. Is it mounted into the connector?"
    if not folder.is_dir():
        return f"{folder} is a file; a folder is needed."
    if not any(folder.glob(PARCELS)) and not any(folder.glob(SCANS)):
        return f"The folder {folder} holds neither {PARCELS} nor {SCANS}."
    return None


def parcels(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the parcels of every CSV file, oldest file name first; an empty cell is null."""
    for path in sorted(folder.glob(PARCELS)):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                yield {column: cell or None for column, cell in row.items()}


def scans(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the scans of every JSONL file, oldest file name first."""
    for path in sorted(folder.glob(SCANS)):
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.strip())
