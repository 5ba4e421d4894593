"""Compares what two images discover and read: catalogs strictly, records by primary key, states by structure.

Rows name streams, fields and numbers, never values of records: reports go to places where others read them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airbyte_ci.attest.compare.comparison import FactRow, Verdict
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import canonical_json

# A stream by namespace and name.
StreamKey = tuple[str, str]
_FIELDS = (
    "json_schema",
    "supported_sync_modes",
    "source_defined_cursor",
    "default_cursor_field",
    "source_defined_primary_key",
    "is_resumable",
    "is_file_based",
)
_SHOWN = 5
_LONGEST = 60


@dataclass(slots=True)
class ReadStream:
    """The records of one stream: fields' digests of each record, by its primary key or in their order."""

    primary_key: tuple[tuple[str, ...], ...] = ()
    count: int = 0
    duplicates: int = 0
    records: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def add(self, data: Mapping[str, Any]) -> None:
        """Adds a record. Without a primary key, its content is its key."""
        fields = {name: _digest(value) for name, value in data.items()}
        values = [_value(data, path) for path in self.primary_key] if self.primary_key else [sorted(fields.items())]
        key = _digest(values)
        if not self.primary_key:
            key = f"{key} {self._copies(key)}"
        elif key in self.records:
            self.duplicates += 1
        self.records[key] = fields
        self.count += 1

    def _copies(self, key: str) -> int:
        number = 0
        while f"{key} {number}" in self.records:
            number += 1
        return number


@dataclass(slots=True)
class ReadResult:
    """One `read`: the streams, and the last state of each (by key; the key of a global state is empty)."""

    streams: dict[StreamKey, ReadStream] = field(default_factory=dict)
    states: dict[StreamKey, Any] = field(default_factory=dict)

    def take(self, kind: str, payload: Mapping[str, Any], primary_keys: Mapping[StreamKey, Any]) -> None:
        """Adds a message of the connector: a RECORD or a STATE."""
        if kind == "RECORD":
            key = (str(payload.get("namespace") or ""), str(payload["stream"]))
            paths = tuple(tuple(map(str, path)) for path in primary_keys.get(key) or ())
            self.streams.setdefault(key, ReadStream(paths)).add(payload["data"])
        elif kind == "STATE":
            for key, state in _states(payload):
                self.states[key] = state

    @property
    def next_state(self) -> list[dict[str, Any]]:
        """Returns the state from which a further read starts, as messages of the protocol."""
        found: list[dict[str, Any]] = []
        for (namespace, name), state in self.states.items():
            if not name:
                return [state]
            descriptor = {"name": name, **({"namespace": namespace} if namespace else {})}
            found.append({"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": state}})
        return found


def _states(payload: Mapping[str, Any]) -> Iterator[tuple[StreamKey, Any]]:
    stream = payload.get("stream")
    if isinstance(stream, dict):
        descriptor = stream.get("stream_descriptor") or {}
        yield (str(descriptor.get("namespace") or ""), str(descriptor.get("name"))), stream.get("stream_state")
    else:
        kept = ("type", "global", "data")
        yield ("", ""), {name: payload[name] for name in kept if name in payload}


def compare_catalogs(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Iterator[FactRow]:
    """Yields a row for each stream: every difference fails, also a new stream, which a migration does not explain."""
    if not old or not new:
        missing = "neither image" if not old and not new else "the old image" if not old else "the new image"
        yield _row("discover", "catalog", old, new, "lost" if old else "unexplained", reason=f"{missing} has a catalog")
        return
    before, after = _by_key(old), _by_key(new)
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key), after.get(key)
        if one is None or other is None:
            yield _row("discover", _name(key), one, other, "lost" if one else "unexplained")
            continue
        pairs = [(name, _field(one, name), _field(other, name)) for name in _FIELDS]
        changed = [_changed(*pair) for pair in pairs if canonical_json(pair[1]) != canonical_json(pair[2])]
        verdict: Verdict = "unexplained" if changed else "same"
        yield _row("discover", _name(key), one, other, verdict, change=", ".join(changed))


def _field(stream: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401  # a JSON value
    """Returns the value of a field; None if it is absent, false or empty, which mean the same in the protocol."""
    return stream.get(name) or None


def _changed(name: str, old: object, new: object) -> str:
    if name == "json_schema":
        return name
    shown = ["absent" if value is None else canonical_json(value).decode()[:_LONGEST] for value in (old, new)]
    return f"{name} {' → '.join(shown)}"


def _by_key(catalog: Mapping[str, Any]) -> dict[StreamKey, Mapping[str, Any]]:
    return {(str(item.get("namespace") or ""), str(item["name"])): item for item in catalog["streams"]}


def compare_reads(label: str, old: ReadResult, new: ReadResult, *, may_be_empty: bool) -> Iterator[FactRow]:
    """Yields a row for each stream and each state; `label` names the read.

    A read without records proves nothing, unless it `may_be_empty`: from a state there may be nothing new.
    """
    keys = old.streams.keys() | new.streams.keys()
    if not keys:
        verdict: Verdict = "same" if may_be_empty else "unexplained"
        yield _row("read", label, None, None, verdict, reason="neither image returned a record")
    for key in sorted(keys):
        name = f"{_name(key)} ({label})"
        one, other = old.streams.get(key), new.streams.get(key)
        if one is None or other is None:
            verdict = "lost" if one else "unexplained"
            yield _row("read", name, one, other, verdict, change="no record in one image")
        else:
            yield from _compare_streams(name, one, other)
    for key in sorted(old.states.keys() | new.states.keys()):
        yield _compare_states(f"{_name(key) or 'global'} ({label})", old.states.get(key), new.states.get(key))


def _compare_streams(name: str, old: ReadStream, new: ReadStream) -> Iterator[FactRow]:
    found = []
    if old.count != new.count:
        found.append(f"{old.count:,} → {new.count:,} records")
    gone, more = len(old.records.keys() - new.records.keys()), len(new.records.keys() - old.records.keys())
    if old.primary_key:
        found += [f"{gone:,} primary keys lost"] if gone else []
        found += [f"{more:,} new primary keys"] if more else []
        if new.duplicates > old.duplicates:
            found.append(f"{new.duplicates - old.duplicates:,} primary keys are no longer unique")
        fields, nulls = _different_fields(old, new)
        found += [f"values of {_list(fields)} differ"] if fields else []
        found += [f"{_list(nulls)}: null in one image and absent in the other"] if nulls else []
    elif gone or more:
        found.append(f"{max(gone, more):,} records differ")
    only_gone = gone and not more and old.primary_key and not found[2:]
    verdict: Verdict = "same" if not found else "lost" if only_gone else "unexplained"
    counts = [f"{item.count:,} records" for item in (old, new)]
    yield FactRow(kind="read", name=name, old=counts[0], new=counts[1], verdict=verdict, change="; ".join(found))


def _different_fields(old: ReadStream, new: ReadStream) -> tuple[list[str], list[str]]:
    """Returns the fields whose values differ, and those that are null in one image and absent in the other."""
    values, nulls = set(), set()
    for key in old.records.keys() & new.records.keys():
        one, other = old.records[key], new.records[key]
        for name in one.keys() | other.keys():
            if one.get(name, _NULL) != other.get(name, _NULL):
                values.add(name)
            elif one.get(name) != other.get(name):
                nulls.add(name)
    return sorted(values), sorted(nulls - values)


def _list(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_SHOWN])}{' and others' if len(names) > _SHOWN else ''}"


def _compare_states(name: str, old: object, new: object) -> FactRow:
    if old is None or new is None:
        verdict: Verdict = "lost" if old is not None else "unexplained"
        return _row("state", name, old, new, verdict, change="no state in one image")
    if _shape(old) != _shape(new):
        paths = sorted(set(_paths(old)) ^ set(_paths(new)))
        shown = ", ".join(paths[:_SHOWN]) or "types of values"
        return _row("state", name, old, new, "unexplained", change=f"the structure differs: {shown}")
    if canonical_json(old) != canonical_json(new):
        return _row("state", name, old, new, "expected", reason="the structure is the same, and values differ")
    return _row("state", name, old, new, "same")


def _shape(value: object) -> object:
    """Returns the structure of a JSON value: names and types."""
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in sorted(value.items())}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def _paths(value: object, prefix: str = "") -> Iterable[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _paths(item, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix


def _value(data: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401  # a JSON value
    found: Any = data
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _digest(value: object) -> str:
    return Digest.of(canonical_json(value)).hex[:24]


_NULL = _digest(None)


def _name(key: StreamKey) -> str:
    return ".".join(part for part in key if part)


def _row(
    kind: Any,  # noqa: ANN401  # a KindId, which literals in calls are not inferred as
    name: str,
    old: object,
    new: object,
    verdict: Verdict,
    *,
    change: str = "",
    reason: str = "",
) -> FactRow:
    shown = [None if value is None else "present" for value in (old, new)]
    return FactRow(kind=kind, name=name, old=shown[0], new=shown[1], verdict=verdict, change=change, reason=reason)
