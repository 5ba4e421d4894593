"""The archive: one JSONL file a stream, replaced or appended to as the catalog says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import orjson

Json = dict[str, Any]


def problem_of(folder: Path) -> str | None:
    """Say why the folder cannot be written to, or None if it can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return f"The folder {folder} cannot be written to: {error}"
    return None


def write(folder: Path, catalog: Json, lines: Iterable[bytes]) -> Iterator[Json]:
    """Write every record, and yield each state once the records before it are in their files."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files = {
            configured["stream"]["name"]: stack.enter_context(_file_of(folder, configured))
            for configured in catalog["streams"]
        }
        for line in lines:
            message = orjson.loads(line)
            if message["type"] == "RECORD":
                record = message["record"]
                files[record["stream"]].write(orjson.dumps(record["data"], option=orjson.OPT_APPEND_NEWLINE))
            elif message["type"] == "STATE":
                for file in files.values():
                    file.flush()
                yield message


def _file_of(folder: Path, configured: Json) -> BinaryIO:
    overwrite = configured["destination_sync_mode"] == "overwrite"
    return (folder / f"{configured['stream']['name']}.jsonl").open("wb" if overwrite else "ab")
