"""The truth table of behavior: each seeded difference of specifications, catalogs, records and states is found."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from airbyte_ci.attest.compare.comparison import FactRow
from airbyte_ci.attest.compare.spec_rules import compare_specs
from airbyte_ci.attest.compare.stream_rules import ReadResult, compare_catalogs, compare_reads

SPEC: dict[str, Any] = {
    "documentationUrl": "https://docs.example",
    "supportsIncremental": True,
    "connectionSpecification": {
        "type": "object",
        "required": ["key"],
        "additionalProperties": True,
        "properties": {
            "key": {"type": "string", "title": "Key", "airbyte_secret": True, "minLength": 2},
            "days": {"type": ["integer", "null"], "minimum": 1, "maximum": 30, "default": 7},
            "region": {"type": "string", "enum": ["eu", "us"]},
            "login": {"oneOf": [{"type": "object", "title": "A"}, {"type": "object", "title": "B"}]},
        },
    },
}
Edit = Callable[[dict[str, Any]], Any]


def _schema(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["connectionSpecification"]
    return found


def _properties(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _schema(spec)["properties"]
    return found


SEEDS: tuple[tuple[str, Edit, str], ...] = (
    ("a property removed", lambda spec: _properties(spec).pop("days"), "lost"),
    ("a new optional property", lambda spec: _properties(spec).update(new={"type": "string"}), "expected"),
    ("newly required", lambda spec: _schema(spec)["required"].append("region"), "unexplained"),
    ("no longer required", lambda spec: _schema(spec)["required"].clear(), "expected"),
    ("type changed", lambda spec: _properties(spec)["key"].update(type="integer"), "unexplained"),
    ("type widened", lambda spec: _properties(spec)["key"].update(type=["string", "null"]), "expected"),
    ("integer becomes number", lambda spec: _properties(spec)["days"].update(type=["number", "null"]), "expected"),
    ("type narrowed", lambda spec: _properties(spec)["days"].update(type="integer"), "unexplained"),
    ("type removed", lambda spec: _properties(spec)["key"].pop("type"), "expected"),
    ("value of an enum removed", lambda spec: _properties(spec)["region"].update(enum=["eu"]), "unexplained"),
    ("value of an enum added", lambda spec: _properties(spec)["region"]["enum"].append("ap"), "expected"),
    ("a new enum", lambda spec: _properties(spec)["key"].update(enum=["a"]), "unexplained"),
    ("bound tighter", lambda spec: _properties(spec)["days"].update(maximum=10), "unexplained"),
    ("bound looser", lambda spec: _properties(spec)["days"].update(minimum=0), "expected"),
    ("bound added", lambda spec: _properties(spec)["key"].update(maxLength=9), "unexplained"),
    ("bound removed", lambda spec: _properties(spec)["key"].pop("minLength"), "expected"),
    ("pattern added", lambda spec: _properties(spec)["key"].update(pattern="^a"), "unexplained"),
    ("secret no longer secret", lambda spec: _properties(spec)["key"].pop("airbyte_secret"), "lost"),
    ("default changed", lambda spec: _properties(spec)["days"].update(default=8), "unexplained"),
    ("text changed", lambda spec: _properties(spec)["key"].update(title="New"), "expected"),
    ("alternative removed", lambda spec: _properties(spec)["login"]["oneOf"].pop(), "lost"),
    ("alternative added", lambda spec: _properties(spec)["login"]["oneOf"].append({"type": "object"}), "expected"),
    ("closed", lambda spec: _schema(spec).update(additionalProperties=False), "unexplained"),
    ("a fact of the spec", lambda spec: spec.update(supportsIncremental=False), "unexplained"),
    ("a default of the protocol", lambda spec: spec.update(supportsDBT=False), "expected"),
    ("a fact that is not the default", lambda spec: spec.update(supportsDBT=True), "unexplained"),
    ("a link of the spec", lambda spec: spec.update(documentationUrl="https://other.example"), "expected"),
)


@pytest.mark.parametrize(("name", "edit", "verdict"), SEEDS, ids=[name for name, _, _ in SEEDS])
def test_a_difference_of_the_specification_is_one_row(name: str, edit: Edit, verdict: str) -> None:
    """Each change gives one row with the verdict of its compatibility."""
    new = copy.deepcopy(SPEC)
    edit(new)
    assert [row.verdict for row in compare_specs(SPEC, new)] == [verdict], name


def test_a_required_new_property_has_a_row_for_each_rule() -> None:
    """A new property that is required at once fails, whatever the order of keys is."""
    new = copy.deepcopy(SPEC)
    _properties(new)["token"] = {"type": "string"}
    _schema(new)["required"].append("token")
    assert {row.verdict for row in compare_specs(SPEC, new)} == {"unexplained"}


def test_an_absent_specification_never_passes() -> None:
    """Two images without a specification are not the same; equal ones are, in any order of keys."""
    assert [row.verdict for row in compare_specs(None, None)] == ["unexplained"]
    assert [row.verdict for row in compare_specs({}, {})] == ["unexplained"]
    assert [row.verdict for row in compare_specs(SPEC, None)] == ["lost"]
    assert [row.verdict for row in compare_specs(SPEC, dict(reversed(SPEC.items())))] == ["same"]


# --- catalogs ------------------------------------------------------------------------------------

STREAM = {"name": "a", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]}


def _verdicts(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, str]:
    found = compare_catalogs({"streams": old}, {"streams": new})
    return {row.name: row.verdict for row in found if row.verdict != "same"}


def test_catalogs_are_compared_strictly() -> None:
    """A stream less, a stream more, and each changed field of a stream fail; the order of streams does not matter."""
    other = {**STREAM, "name": "b", "namespace": "n"}
    assert _verdicts([STREAM, other], [other, STREAM]) == {}
    assert _verdicts([STREAM, other], [STREAM]) == {"n.b": "lost"}
    assert _verdicts([STREAM], [STREAM, other]) == {"n.b": "unexplained"}
    for changed in (
        {"json_schema": {"type": "object", "properties": {"x": {}}}},
        {"supported_sync_modes": ["full_refresh", "incremental"]},
        {"source_defined_primary_key": [["id"]]},
        {"default_cursor_field": ["at"]},
    ):
        assert _verdicts([STREAM], [{**STREAM, **changed}]) == {"a": "unexplained"}
    assert [row.verdict for row in compare_catalogs(None, None)] == ["unexplained"]


def test_a_field_of_a_stream_is_absent_or_has_its_default() -> None:
    """What is false or empty in one catalog may be absent in the other; other values are in the row."""
    defaults = {"is_file_based": False, "is_resumable": False, "source_defined_primary_key": [], "namespace": ""}
    assert _verdicts([STREAM], [{**STREAM, **defaults}]) == {}
    rows = compare_catalogs({"streams": [{**STREAM, "is_resumable": True}]}, {"streams": [STREAM]})
    assert [row.change for row in rows] == ["is_resumable true → absent"]


# --- records and states --------------------------------------------------------------------------

RECORDS = [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]
STATE = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}, "stream_state": {"at": "2024", "page": 1}}}


def read(records: list[dict[str, Any]], state: dict[str, Any] | None = None, *, key: bool = True) -> ReadResult:
    """A read of one stream; `emitted_at` differs each time."""
    found = ReadResult()
    keys = {("", "a"): [["id"]]} if key else {}
    for number, data in enumerate(records):
        found.take("RECORD", {"stream": "a", "data": data, "emitted_at": id(found) + number}, keys)
    if state:
        found.take("STATE", state, keys)
    return found


def different(old: ReadResult, new: ReadResult) -> list[FactRow]:
    return [row for row in compare_reads("read", old, new, may_be_empty=False) if row.verdict != "same"]


@pytest.mark.parametrize(
    ("records", "key", "changes"),
    [
        ([RECORDS[1], RECORDS[0]], True, []),
        ([RECORDS[1], RECORDS[0]], False, []),
        ([RECORDS[0]], True, ["2 → 1 records; 1 primary keys lost"]),
        ([*RECORDS, {"id": 3}], True, ["2 → 3 records; 1 new primary keys"]),
        ([RECORDS[0], {"id": 2, "name": "secret"}], True, ["values of name differ"]),
        ([RECORDS[0], {"id": 2}], True, ["values of name differ"]),
        ([RECORDS[0], {**RECORDS[1], "x": None}], True, ["x: null in one image and absent in the other"]),
        ([*RECORDS, RECORDS[1]], True, ["2 → 3 records; 1 primary keys are no longer unique"]),
        ([RECORDS[0], {"id": 2, "name": "secret"}], False, ["1 records differ"]),
        ([*RECORDS, RECORDS[1]], False, ["2 → 3 records; 1 records differ"]),
    ],
)
def test_a_difference_of_records_is_counted(records: list[dict[str, Any]], key: bool, changes: list[str]) -> None:
    """Counts, primary keys, their uniqueness and values are compared; no value is in a row, and no order matters."""
    rows = different(read(RECORDS, key=key), read(records, key=key))
    assert [row.change for row in rows] == changes
    assert "secret" not in repr(rows)


def test_reads_without_a_record_prove_nothing() -> None:
    """Two empty reads fail, except from a state."""
    assert [row.verdict for row in different(read([]), read([]))] == ["unexplained"]
    rows = compare_reads("read", read([]), read([]), may_be_empty=True)
    assert {row.verdict for row in rows} == {"same"}
    assert [row.verdict for row in different(read(RECORDS), read([]))] == ["lost"]


def _state(value: object) -> dict[str, Any]:
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}, "stream_state": value}}


def test_states_are_compared_by_structure() -> None:
    """Another structure fails, another value is reported, and a state less is lost; also for global states."""
    old = read(RECORDS, STATE)
    for value, verdicts in (
        ({"at": "2024", "page": 1}, []),
        ({"at": "2025", "page": 1.5}, ["expected"]),
        ({"at": "2024"}, ["unexplained"]),
        ({"at": "2024", "page": "1"}, ["unexplained"]),
        ({"at": "2024", "page": 1, "more": None}, ["unexplained"]),
    ):
        assert [row.verdict for row in different(old, read(RECORDS, _state(value)))] == verdicts, value
    assert [row.verdict for row in different(old, read(RECORDS))] == ["lost"]
    one, other = ({"type": "GLOBAL", "global": {"shared_state": {"a": value}}} for value in (1, "x"))
    assert [row.name for row in different(read(RECORDS, one), read(RECORDS, other))] == ["global (read)"]
    assert read(RECORDS, STATE).next_state == [STATE]
