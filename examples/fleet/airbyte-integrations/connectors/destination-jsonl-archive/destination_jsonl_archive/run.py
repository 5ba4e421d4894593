"""The command line of the connector."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from destination_jsonl_archive import archive
from destination_jsonl_archive.archive import Json

SPEC: Json = {
    "documentationUrl": "https://docs.airbyte.com/integrations/destinations/jsonl-archive",
    "supportsIncremental": True,
    "supported_destination_sync_modes": ["overwrite", "append"],
    "connectionSpecification": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "JSONL Archive",
        "type": "object",
        "required": ["folder"],
        "additionalProperties": True,
        "properties": {
            "folder": {
                "type": "string",
                "title": "Folder",
                "description": "The folder that gets one file a stream.",
                "examples": ["/data"],
            }
        },
    },
}


def main() -> None:
    """Answer spec, check or write, as the arguments say; write takes its messages from standard input."""
    for message in answer(_parser().parse_args(), sys.stdin.buffer):
        sys.stdout.buffer.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()


def answer(arguments: argparse.Namespace, lines: Iterable[bytes]) -> Iterator[Json]:
    """Yield the messages that answer the arguments."""
    if arguments.command == "spec":
        yield {"type": "SPEC", "spec": SPEC}
    elif arguments.command == "check":
        problem = archive.problem_of(Path(arguments.config["folder"]))
        status = {"status": "FAILED", "message": problem} if problem else {"status": "SUCCEEDED"}
        yield {"type": "CONNECTION_STATUS", "connectionStatus": status}
    else:
        yield from archive.write(Path(arguments.config["folder"]), arguments.catalog, lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("spec")
    for name in ("check", "write"):
        command = commands.add_parser(name)
        command.add_argument("--config", type=_json_file, required=True)
        if name == "write":
            command.add_argument("--catalog", type=_json_file, required=True)
    return parser


def _json_file(path: str) -> Any:
    return orjson.loads(Path(path).read_bytes())
