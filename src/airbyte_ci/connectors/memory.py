"""Caches parsed metadata, so that unchanged files are not parsed again.

One text file per repository, with a line for each metadata.yaml. A line is valid only while the file's identity, size
and times are unchanged. The file can be deleted at any time, and damage of it is never an error.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from airbyte_ci import disk

_HEADER = "airbyte-ci metadata 1"
_PLAIN = (str, int, float, bool, type(None))
# A file that changes twice within the clock's resolution has the same times: the youngest files are not trusted.
# (Git's "racy" entries: https://git-scm.com/docs/racy-git)
_TOO_YOUNG = 100_000_000

Parse = Callable[[Path, str], dict[str, Any]]


class MetadataCache:
    """The cache of one repository; `path` is its file, `now` returns the time in nanoseconds."""

    def __init__(self, path: Path, now: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._now = now
        self._known = _read(path)
        self._seen: dict[str, str] = {}

    def load(self, path: Path, shown: str, parse: Parse) -> dict[str, Any]:
        """Returns the result of `parse` for the file, cached; raises its errors."""
        try:
            state = os.stat(path)  # noqa: PTH116  # hundreds of files: the plain call is measurably quicker
        except OSError:
            return parse(path, shown)
        identity = f"{state.st_mtime_ns} {state.st_ctime_ns} {state.st_size} {state.st_ino}.{state.st_dev}"
        key = f"{json.dumps(shown)}\t{identity}"
        kept = self._known.get(key)
        if kept is not None and (data := _restored(kept)) is not None:
            self._seen[key] = kept
            return data
        data = parse(path, shown)
        is_settled = max(state.st_mtime_ns, state.st_ctime_ns) < self._now() - _TOO_YOUNG
        if is_settled and (text := _kept(data)) is not None:
            self._seen[key] = text
        return data

    def save(self) -> None:
        """Writes the cache if it has changed; an unwritable folder is not an error."""
        if self._seen == self._known:
            return
        text = "".join(f"{line}\n" for line in (_HEADER, *(f"{key}\t{kept}" for key, kept in self._seen.items())))
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            disk.write_file(self._path, text.encode("utf-8", "surrogatepass"))


def _read(path: Path) -> dict[str, str]:
    """Returns the cached text by file and state: the places of dates, a tab, the data."""
    try:
        header, *lines = path.read_text("utf-8", "surrogatepass").split("\n")
    except (OSError, ValueError):
        return {}
    if header != _HEADER:
        return {}
    parts = (line.split("\t", 2) for line in lines)
    return {f"{part[0]}\t{part[1]}": part[2] for part in parts if len(part) == 3}


def _kept(data: dict[str, Any]) -> str | None:
    """Returns the data as a text that restores it exactly; None if JSON cannot represent it."""
    places: list[list[str | int]] = []
    try:
        _note_dates(data, [], places)
        return f"{json.dumps(places)}\t{json.dumps(data, default=date.isoformat, allow_nan=False)}"
    except (TypeError, ValueError, RecursionError):
        return None


def _restored(text: str) -> dict[str, Any] | None:
    places, _, document = text.partition("\t")
    try:
        data: dict[str, Any] = json.loads(document)
        for *place, last in json.loads(places):
            holder: Any = data
            for key in place:
                holder = holder[key]
            holder[last] = date.fromisoformat(holder[last])
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _note_dates(value: Any, place: list[str | int], places: list[list[str | int]]) -> None:  # noqa: ANN401  # parsed data
    """Collects the places of dates, which JSON lacks. Raises TypeError for other values that JSON lacks."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError("JSON has only texts for keys")
            if type(item) is not str:
                _note_dates(item, [*place, key], places)
    elif kind is list:
        for index, item in enumerate(value):
            if type(item) is not str:
                _note_dates(item, [*place, index], places)
    elif kind is date:
        places.append(place)
    elif kind not in _PLAIN:
        raise TypeError(f"JSON has no {kind.__name__}")
