"""Describes a violation of a JSON Schema in one line: the place, the value and what is allowed there.

The errors are those of the library jsonschema, which is slow to import, so the callers import it when they need it.
"""

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

_LIMIT = 60
# Optional dependencies of jsonschema, for formats that no schema of airbyte-ci uses. They take longer to import than
# the rest of it: one of them compiles 38 grammars, for a second.
_FORMATS = (
    *("fqdn", "isoduration", "jsonpointer", "rfc3339_validator", "rfc3986_validator", "rfc3987", "rfc3987_syntax"),
    *("uri_template", "webcolors"),
)


@contextlib.contextmanager
def quick_import() -> Iterator[None]:
    """Lets the block import jsonschema without its optional dependencies, if they are not imported yet."""
    left_out = [name for name in _FORMATS if name not in sys.modules]
    # Python's mark of a module that cannot be imported.
    sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]  # None marks a module as missing
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]


def find_violation(document: object, schema: Mapping[str, Any]) -> str:
    """Returns the most relevant violation of a schema of draft 2020-12, in one line; empty without one."""
    with quick_import():
        from jsonschema import Draft202012Validator  # slow to import
        from jsonschema.exceptions import relevance

    error = max(Draft202012Validator(schema).iter_errors(document), key=relevance, default=None)
    return describe(error) if error else ""


def describe(error: Any) -> str:
    """Returns the place and the reason, in the schema's own words if it describes the value."""
    error = _innermost(error)
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return f"{place.removeprefix('.')}: {_reason(error)}" if place else _reason(error)


def find_unknown_keys(error: Any) -> list[str]:
    """Returns the keys that are not allowed at the error's place; empty for other kinds of errors."""
    if error.validator != "additionalProperties":
        return []
    known, patterns = (error.schema.get(name, {}) for name in ("properties", "patternProperties"))
    return [key for key in error.instance if key not in known and not any(re.search(item, key) for item in patterns)]


def _innermost(error: object) -> Any:
    """Returns the violation inside the alternative that is meant; the error itself if that is not known."""
    meant = [found for found in _alternatives(error) if not any(map(_is_of_another_kind, found))]
    return _innermost(meant[0][0]) if len(meant) == 1 else error


def _alternatives(error: Any) -> list[list[Any]]:
    """Returns the violations of each alternative of the schema; empty for an error without alternatives."""
    if error.validator not in ("oneOf", "anyOf"):
        return []
    return [[*found] for _, found in groupby(error.context, key=lambda inner: inner.schema_path[0])]


def _is_of_another_kind(error: Any) -> bool:
    """Returns whether a constant of an alternative, such as its kind, says that another one is meant."""
    alternatives = _alternatives(error)
    return (error.validator in ("const", "enum") and len(error.path) < 2) or (
        bool(alternatives) and all(any(map(_is_of_another_kind, found)) for found in alternatives)
    )


def _reason(error: Any) -> str:
    value, allowed = f"{error.instance!r:.{_LIMIT}}", error.validator_value
    meant = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    match error.validator:
        case "required":
            return "".join(_missing(error))
        case "additionalProperties":
            return f"unknown key {', '.join(find_unknown_keys(error))}"
        case "enum":
            return f"{value} is not one of {', '.join(map(str, allowed))}"
        case "const":
            return f"{value} is not {allowed!r}"
        case "oneOf" | "anyOf" if type(error.instance) in (int, float) and _takes_text(allowed):
            return f"{value} is a number; write it in quotes"
        case "oneOf" | "anyOf":
            return f"{value} is not valid here{f': {meant}' if meant else ''}"
        case "type" if allowed == "string" and type(error.instance) in (int, float):
            return f"{value} is a number; write it in quotes"
        case "pattern" if meant:
            return f"{value} is invalid: {meant[0].lower()}{meant[1:].rstrip('.')}"
        case "pattern":
            return f"{value} does not match {allowed}"
        case "minLength" | "minItems" | "minProperties":
            return "value is empty"
    return str(error.message)


def _takes_text(alternatives: Iterable[Mapping[str, Any]]) -> bool:
    return any(item.get("type") == "string" for item in alternatives)


def _missing(error: Any) -> Iterator[str]:
    # jsonschema reports each missing key separately.
    yield next(f"{key} is missing" for key in error.validator_value if f"'{key}'" in error.message)
