"""The command line of a source and the messages of the Airbyte protocol; nothing about what is read."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

Json = dict[str, Any]


class Source(Protocol):
    """What a source answers, in plain values."""

    spec: ClassVar[Json]
    streams: ClassVar[list[Json]]

    def problem(self, config: Json) -> str | None:
        """Say why nothing can be read, or None if it can be read."""

    def read(self, config: Json, stream: str) -> Iterator[Json]:
        """Yield every record of a stream."""


def run(source: Source, arguments: list[str]) -> None:
    """Print the messages that answer the arguments, one a line."""
    for message in _answer(source, _parser().parse_args(arguments)):
        print(json.dumps(message, ensure_ascii=False), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("spec")
    for name in ("check", "discover", "read"):
        command = commands.add_parser(name)
        command.add_argument("--config", type=_json_file, required=True)
        if name == "read":
            command.add_argument("--catalog", type=_json_file, required=True)
            command.add_argument("--state", type=_json_file, default=[])
    return parser


def _json_file(path: str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _answer(source: Source, arguments: argparse.Namespace) -> Iterator[Json]:
    if arguments.command == "spec":
        yield {"type": "SPEC", "spec": source.spec}
    elif arguments.command == "check":
        problem = source.problem(arguments.config)
        status = {"status": "FAILED", "message": problem} if problem else {"status": "SUCCEEDED"}
        yield {"type": "CONNECTION_STATUS", "connectionStatus": status}
    elif arguments.command == "discover":
        yield {"type": "CATALOG", "catalog": {"streams": source.streams}}
    else:
        for configured in arguments.catalog["streams"]:
            yield from _read(source, arguments.config, configured, arguments.state)


def _read(source: Source, config: Json, configured: Json, states: list[Json]) -> Iterator[Json]:
    name = configured["stream"]["name"]
    cursor_field = configured["cursor_field"][0] if configured["sync_mode"] == "incremental" else None
    seen = _cursor_of(states, name, cursor_field) if cursor_field else ""
    newest = seen
    for record in source.read(config, name):
        if cursor_field:
            if record[cursor_field] <= seen:
                continue
            newest = max(newest, record[cursor_field])
        emitted_at = int(time.time() * 1000)
        yield {"type": "RECORD", "record": {"stream": name, "data": record, "emitted_at": emitted_at}}
    if newest:
        stream = {"stream_descriptor": {"name": name}, "stream_state": {cursor_field: newest}}
        yield {"type": "STATE", "state": {"type": "STREAM", "stream": stream}}


def _cursor_of(states: list[Json], name: str, cursor_field: str) -> str:
    for state in states:
        if state["stream"]["stream_descriptor"]["name"] == name:
            return str(state["stream"]["stream_state"].get(cursor_field, ""))
    return ""
