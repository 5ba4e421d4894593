"""Messages: valid ones of the Airbyte protocol pass, everything else is reported."""

import json

import pytest

from airbyte_ci.connector_tests.messages import Messages

RECORD = {"type": "RECORD", "record": {"stream": "a", "data": {"id": 1}, "emitted_at": 1}}
STATE = {"type": "STATE", "state": {"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}}}}
TRACE = {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1.0, "error": {"message": "no more"}}}


def heard(*lines: object, size: int = 7) -> Messages:
    """Messages that come in small pieces, cut anywhere."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
    messages = Messages()
    for start in range(0, len(text), size):
        messages.hear(text[start : start + size])
    messages.end()
    return messages


def test_messages_of_the_protocol_are_counted() -> None:
    """By type and stream, split anywhere by the pipe, with or without a final line end; other lines are logs."""
    for size in (1, 7, 10_000):
        found = heard("starting…", RECORD, {**RECORD, "extra": 1}, "", STATE, TRACE, size=size)
        assert (found.problems, dict(found.records)) == ([], {"a": 2})
        assert dict(found.counts) == {"RECORD": 2, "STATE": 1, "TRACE": 1}
        assert found.errors == ["no more"]


WRONG: dict[str, tuple[object, str]] = {
    "truncated JSON": ('{"type": "RECORD"', "not JSON"),
    "an unknown type": ({"type": "RECORDS", "record": {}}, "no message of the protocol has the type 'RECORDS'"),
    "no type": ({"record": {}}, "has the type None"),
    "another payload": ({"type": "RECORD", "state": {}}, "a RECORD without record"),
    "a number in quotes": (
        {"type": "RECORD", "record": {"stream": "a", "data": {}, "emitted_at": "1"}},
        "record.emitted_at: Input should be a valid integer",
    ),
    "a missing field": ({"type": "RECORD", "record": {"stream": "a", "emitted_at": 1}}, "record.data: Field required"),
    "an unknown status": (
        {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FINE"}},
        "connectionStatus.status: Input should be 'SUCCEEDED' or 'FAILED'",
    ),
    "a catalog without streams": ({"type": "CATALOG", "catalog": {}}, "catalog.streams: Field required"),
}


@pytest.mark.parametrize(("line", "told"), WRONG.values(), ids=WRONG)
def test_what_is_not_of_the_protocol_is_told(line: object, told: str) -> None:
    """The report has the number of the message and the error; the message is not counted."""
    found = heard(RECORD, line)
    assert len(found.problems) == 1
    assert told in found.problems[0]
    assert found.problems[0].startswith("message 2")
    assert found.counts.total() == 1


def test_problems_are_counted_and_a_few_kept() -> None:
    """However many messages are wrong."""
    found = heard(*([{"type": "X"}] * 1000), size=10_000)
    assert (found.invalid, len(found.problems)) == (1000, 10)
