"""Compares two specifications: equal as canonical JSON, or else by the rules of compatible changes.

A configuration that the old image accepts must be accepted by the new one, and mean the same.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from airbyte_ci.attest.compare.comparison import FactRow, Verdict
from airbyte_ci.oci.image import canonical_json

SCHEMA = "connectionSpecification"
# Keywords that only people and user interfaces read.
_TEXT = frozenset(
    {"title", "description", "examples", "order", "group", "display_type", "pattern_descriptor", "$comment", "$id"}
    | {"documentationUrl", "changelogUrl", "always_show", "airbyte_hidden", "multiline", "$schema", "deprecated"}
)
# Bounds by the direction in which they become tighter.
_BOUNDS: Mapping[str, Literal["higher", "lower"]] = {
    "minimum": "higher",
    "exclusiveMinimum": "higher",
    "minLength": "higher",
    "minItems": "higher",
    "minProperties": "higher",
    "maximum": "lower",
    "exclusiveMaximum": "lower",
    "maxLength": "lower",
    "maxItems": "lower",
    "maxProperties": "lower",
}
_ALTERNATIVES = ("oneOf", "anyOf", "allOf")
_NAMED = ("properties", "patternProperties", "definitions", "$defs")
_LONGEST = 120


def compare_specs(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> tuple[FactRow, ...]:
    """Returns a row for each difference, or one row if the specifications are equal. An absent one never passes."""
    if not old or not new:
        missing = "neither image" if not old and not new else "the old image" if not old else "the new image"
        verdict: Verdict = "lost" if old else "unexplained"
        return (_row("spec", old, new, verdict, reason=f"{missing} answers spec with a specification"),)
    if canonical_json(old) == canonical_json(new):
        return (FactRow(kind="spec", name="spec", old="equal", new="equal", verdict="same"),)
    return tuple(_differences("", old, new))


def _differences(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[FactRow]:
    """Yields the differences of two schemas, or of the specifications that contain them."""
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if key in old and key in new and canonical_json(before) == canonical_json(after):
            continue
        place = f"{path}.{key}" if path else key
        if key == SCHEMA or key in ("items", "additionalProperties", "not", "if", "then", "else"):
            yield from _schema(place, before, after)
        elif key in _NAMED and isinstance(before or {}, dict) and isinstance(after or {}, dict):
            yield from _properties(place, before or {}, after or {}, required=_texts(new.get("required")))
        elif key in _ALTERNATIVES and isinstance(before or [], list) and isinstance(after or [], list):
            yield from _alternatives(place, before or [], after or [])
        else:
            verdict, reason = _keyword(key, old, new)
            if not path and before in (None, False) and after in (None, False):
                verdict, reason = "expected", "false is the protocol's default"
            yield _row(place, before, after, verdict, reason=reason)


def _schema(path: str, old: object, new: object) -> Iterator[FactRow]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _differences(path, old, new)
    elif path.endswith("additionalProperties"):
        is_open = new in (None, True)
        reason = "more properties are accepted" if is_open else "fewer properties are accepted"
        yield _row(path, old, new, "expected" if is_open else "unexplained", reason=reason)
    else:
        yield _row(path, old, new, "lost" if new is None else "unexplained")


def _properties(
    path: str, old: Mapping[str, Any], new: Mapping[str, Any], *, required: frozenset[str]
) -> Iterator[FactRow]:
    for name in sorted(old.keys() | new.keys()):
        place = f"{path}.{name}"
        if name not in new:
            yield _row(place, old[name], None, "lost", reason="the property was removed")
        elif name not in old:
            is_required = name in required
            reason = "a new required property" if is_required else "a new optional property"
            yield _row(place, None, new[name], "unexplained" if is_required else "expected", reason=reason)
        elif canonical_json(old[name]) != canonical_json(new[name]):
            yield from _schema(place, old[name], new[name])


def _alternatives(path: str, old: list[Any], new: list[Any]) -> Iterator[FactRow]:
    for number in range(max(len(old), len(new))):
        place = f"{path}[{number}]"
        if number >= len(new):
            yield _row(place, old[number], None, "lost", reason="the alternative was removed")
        elif number >= len(old):
            yield _row(place, None, new[number], "expected", reason="a new alternative")
        elif canonical_json(old[number]) != canonical_json(new[number]):
            yield from _schema(place, old[number], new[number])


def _keyword(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Verdict, str]:
    """Returns the verdict of a keyword with different values, and why."""
    before, after = old.get(key), new.get(key)
    if key in _TEXT:
        return "expected", "only text for people"
    if key == "required":
        added = sorted(_texts(after) - _texts(before))
        names = ", ".join(added)
        return ("unexplained", f"newly required: {names}") if added else ("expected", "fewer properties are required")
    if key == "type":
        lost = _types(before) - _types(after) if before is not None else set()
        # Without a type, every type is accepted.
        wider = after is None or (before is not None and not lost)
        return ("expected", "more types are accepted") if wider else ("unexplained", "the type changed")
    if key == "enum":
        gone = [value for value in before or [] if value not in (after or [])]
        if after is None or (before is not None and not gone):
            return "expected", "more values are accepted"
        return "unexplained", "values are no longer accepted"
    if key in _BOUNDS:
        return _bound(key, before, after)
    return ("lost", "") if after is None else ("unexplained", "")


def _bound(key: str, before: object, after: object) -> tuple[Verdict, str]:
    if after is None:
        return "expected", "the bound was removed"
    if before is None or not isinstance(before, (int, float)) or not isinstance(after, (int, float)):
        return "unexplained", "a new bound"
    tighter = after > before if _BOUNDS[key] == "higher" else after < before
    return ("unexplained", "the bound is tighter") if tighter else ("expected", "the bound is looser")


def _types(value: object) -> set[str]:
    found = {value} if isinstance(value, str) else set(_texts(value))
    return found | {"integer"} if "number" in found else found


def _texts(value: object) -> frozenset[str]:
    return frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()


def _row(name: str, old: object, new: object, verdict: Verdict, *, reason: str = "") -> FactRow:
    values = [None if value is None else canonical_json(value).decode()[:_LONGEST] for value in (old, new)]
    return FactRow(kind="spec", name=name, old=values[0], new=values[1], verdict=verdict, reason=reason)
