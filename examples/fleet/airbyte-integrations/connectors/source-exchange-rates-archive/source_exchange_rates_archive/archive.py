"""The archive: monthly files named by an index, on a web server or in a folder."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from dateutil import parser

INDEX = "index.txt"
TIMEOUT_SECONDS = 30


def text_of(location: str, name: str) -> str:
    """Return a file of the archive; raise OSError if it cannot be had."""
    if location.startswith(("http://", "https://")):
        response = requests.get(f"{location.rstrip('/')}/{name}", timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.text
    return (Path(location) / name).read_text(encoding="utf-8")


def rates(location: str, base_currency: str | None) -> Iterator[dict[str, Any]]:
    """Yield every rate of every file that the index names, dates as ISO 8601."""
    for name in text_of(location, INDEX).split():
        for row in csv.DictReader(text_of(location, name).splitlines()):
            if base_currency in (None, row["base"]):
                day = parser.parse(row["date"], dayfirst=True).date().isoformat()
                yield {"date": day, "base": row["base"], "quote": row["quote"], "rate": float(row["rate"])}
