"""Validates a connector's messages against the Airbyte protocol, one by one, as they arrive.

Knows the published models (`airbyte-protocol-models-pdv2`), not which messages a command must return.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from airbyte_ci.documents import load_json

# The platform does not read longer ones either.
_LONGEST = 64 << 20
_MOST_PROBLEMS = 10
# There are few of these, and the user wants to see them.
_KEPT = ("SPEC", "CONNECTION_STATUS", "CATALOG")
_PAYLOADS = {
    "RECORD": "record",
    "STATE": "state",
    "LOG": "log",
    "SPEC": "spec",
    "CONNECTION_STATUS": "connectionStatus",
    "CATALOG": "catalog",
    "TRACE": "trace",
    "CONTROL": "control",
    "DESTINATION_CATALOG": "destination_catalog",
}


class Messages:
    """Receives a connector's output. As on the platform, lines that are not JSON objects are log lines.

    `counts` are messages by type, `records` those of each stream, `kept` the payloads of SPEC, CONNECTION_STATUS and
    CATALOG, `errors` the failures that the connector reports, `problems` violations of the protocol. The `listener`
    receives the kind and the payload of each valid message.
    """

    def __init__(self, listener: Callable[[str, dict[str, Any]], None] | None = None) -> None:
        self._listener = listener
        self.counts: Counter[str] = Counter()
        self.records: Counter[str] = Counter()
        self.kept: dict[str, list[dict[str, Any]]] = {name: [] for name in _KEPT}
        self.errors: list[str] = []
        self.problems: list[str] = []
        self.invalid = 0
        self._number = 0
        self._rest: list[bytes] = []
        self._size = 0
        self._model: Any = None

    def hear(self, chunk: bytes) -> None:
        """Processes the next part of stdout; lines may be split anywhere."""
        *lines, rest = chunk.split(b"\n")
        if lines:
            self._line(b"".join((*self._rest, lines[0])))
            for line in lines[1:]:
                self._line(line)
            self._rest, self._size = [], 0
        self._size += len(rest)
        if self._size <= _LONGEST:
            self._rest.append(rest)
        elif self._rest:
            self._rest = []
            self._problem(f"a line is longer than {_LONGEST >> 20} MiB")

    def end(self) -> None:
        """Ends the output: the rest is the last line."""
        self._line(b"".join(self._rest))
        self._rest = []

    def _line(self, line: bytes) -> None:
        if not line.lstrip().startswith(b"{"):
            return
        self._number += 1
        try:
            message = load_json(line)
        except ValueError as error:
            self._problem(f"message {self._number}: not JSON ({error})")
            return
        kind = message.get("type")
        payload = _PAYLOADS.get(kind) if isinstance(kind, str) else None
        if payload is None:
            self._problem(f"message {self._number}: no message of the protocol has the type {kind!r}")
        elif not isinstance(message.get(payload), dict):
            self._problem(f"message {self._number}: a {kind} without {payload}")
        elif reason := self._invalid(line):
            self._problem(f"message {self._number} ({kind}): {reason}")
        else:
            self._take(kind, message[payload])

    def _invalid(self, line: bytes) -> str:
        """Returns why the models refuse it; empty if they accept it."""
        from pydantic import ValidationError  # slow to import, and only tests need the models

        if self._model is None:
            from airbyte_protocol.models import AirbyteMessage

            self._model = AirbyteMessage
        try:
            # Strict, because Java's reader is: a number in quotes is not a number.
            self._model.model_validate_json(line, strict=True)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in found[:3])
        return ""

    def _take(self, kind: str, payload: dict[str, Any]) -> None:
        self.counts[kind] += 1
        if self._listener:
            self._listener(kind, payload)
        if kind == "RECORD":
            self.records[str(payload["stream"])] += 1
        elif kind in self.kept and len(self.kept[kind]) < 2:
            self.kept[kind].append(payload)
        elif kind == "TRACE" and payload.get("type") == "ERROR":
            self.errors.append(str((payload.get("error") or {}).get("message") or ""))

    def _problem(self, text: str) -> None:
        self.invalid += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(text)
