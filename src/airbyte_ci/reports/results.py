"""The results of `build`, `test`, `check` and `publish` as their JSON names them, for pages, summaries and merges.

All of these show the JSON, so that the joined reports of many jobs show the same as the report of one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from airbyte_ci.reports.page.blocks import State, rank
from airbyte_ci.text import with_id

Command = Literal["build", "test", "check", "publish"]
# The commands in the order of reports, with the titles of their results.
TITLES: Mapping[Command, str] = {"build": "Builds", "test": "Tests", "check": "Checks", "publish": "Publications"}
_STATES: tuple[State, ...] = ("ok", "skipped", "failed", "unverified")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPart:
    """A step of a test, a rule of a check, or the build for one platform."""

    id: str
    state: State
    text: str = ""
    advice: str = ""
    output: tuple[str, ...] = ()
    seconds: float = 0.0
    tests: Mapping[str, int] = field(default_factory=dict)
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """Returns the file with the line, if it is known; empty without a file."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorResult:
    """What a command reported about one connector. `document` is its JSON."""

    command: Command
    name: str
    state: State
    parts: tuple[ResultPart, ...]
    document: Mapping[str, Any] = field(repr=False)

    @property
    def seconds(self) -> float:
        return sum(part.seconds for part in self.parts)

    @property
    def bad(self) -> tuple[ResultPart, ...]:
        """Returns the failures and warnings, the worst first."""
        bad = [part for part in self.parts if part.state in ("failed", "warning")]
        return tuple(sorted(bad, key=lambda part: rank(part.state)))


def parse(document: Mapping[str, Any]) -> ConnectorResult | None:
    """Returns the result of a JSON document; None if it is not one of the four commands.

    A document that names no command is one of an earlier version: its form tells the command.
    """
    name, status = document.get("name"), _state(document)
    if not isinstance(name, str) or status is None:
        return None
    match document.get("command") or _command(document):
        case "test":
            return _result("test", name, status, document, map(_step, _objects(document.get("steps"))))
        case "check":
            return _result("check", name, status, document, map(_check, _objects(document.get("checks"))))
        case "publish":
            return _result("publish", name, status, document, [replace(_build(document, status), id="publish")])
        case "build":
            return _result("build", name, status, document, [_build(document, status)])
    return None


def _command(document: Mapping[str, Any]) -> Command:
    if isinstance(document.get("steps"), list):
        return "test"
    return "check" if isinstance(document.get("checks"), list) else "build"


def worst_first(results: Iterable[ConnectorResult]) -> list[ConnectorResult]:
    """Returns the results with the worst first, and equal ones by name."""
    return sorted(results, key=lambda item: (rank(item.state), item.name))


def _result(
    command: Command, name: str, status: State, document: Mapping[str, Any], parts: Iterable[ResultPart]
) -> ConnectorResult:
    found = tuple(parts)
    if status == "failed" and all(part.state != "failed" for part in found):
        found = (*found, ResultPart(id=command, state="failed", text=_text(document, "reason")))
    is_warned = status != "failed" and any(part.state == "warning" for part in found)
    return ConnectorResult(
        command=command, name=name, state="warning" if is_warned else status, parts=found, document=document
    )


def _objects(items: object) -> list[Mapping[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _step(document: Mapping[str, Any]) -> ResultPart:
    tests = document.get("tests")
    return ResultPart(
        id=_text(document, "id"),
        state=_state(document) or "unverified",
        text=with_id(_text(document, "reason") or _text(document, "summary"), _text(document, "errorId")),
        advice=_text(document, "next") or _text(document, "advice"),
        output=_texts(document.get("output")),
        seconds=_number(document.get("seconds")),
        tests={name: int(_number(value)) for name, value in tests.items()} if isinstance(tests, dict) else {},
    )


def _check(document: Mapping[str, Any]) -> ResultPart:
    state = _state(document) or "unverified"
    return ResultPart(
        id=_text(document, "id"),
        state="warning" if state == "failed" and document.get("severity") == "warning" else state,
        text=with_id(_text(document, "reason"), _text(document, "errorId")),
        advice=_text(document, "next") or _text(document, "advice"),
        file=_text(document, "file"),
        line=int(_number(document.get("line"))),
    )


def _build(document: Mapping[str, Any], status: State) -> ResultPart:
    return ResultPart(
        id=_text(document, "platform") or "build",
        state=status,
        text=with_id(_text(document, "reason"), _text(document, "errorId")),
        advice=_text(document, "next") or _text(document, "advice"),
        output=_texts(document.get("details")),
        seconds=_number(document.get("seconds")),
    )


def _state(document: Mapping[str, Any]) -> State | None:
    status = document.get("status")
    return next((state for state in _STATES if state == status), None)


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _number(value: object) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
