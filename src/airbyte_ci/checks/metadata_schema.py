"""metadata.yaml is what the published schema (metadata.schema.json beside this module) says that it is."""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from importlib import resources
from typing import Any

from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed
from airbyte_ci.checks.texts import Texts
from airbyte_ci.connectors.connector import METADATA, Connector

RULE = Rule(
    id="metadata-schema",
    point=0,
    label="metadata",
    title="metadata.yaml is valid by the published JSON Schema.",
    why="A key that is misspelt is a key that nobody reads; supportlevel would make every failure a warning.",
    severity="error",
)
# Reading a fleet keeps `data` only; whether this one key stands beside it can be seen without parsing again.
_VERSIONED = re.compile(r"^[{'\"\s]*metadataSpecVersion['\"]?\s*:\s*['\"]?\d+\.\d+\b", re.MULTILINE)
SCHEMA = "metadata.schema.json"
_SHOWN = 3


def check(connector: Connector, texts: Texts, mending: Mending) -> Verdict:
    place = places.file(connector, METADATA)
    if not _VERSIONED.search(texts.text(connector.folder / METADATA) or ""):
        return failed(
            "metadataSpecVersion is missing",
            f"echo 'metadataSpecVersion: \"1.0\"' >> {mending.path(place.path)}",
            place,
        )
    try:
        errors = sorted(_validator().iter_errors(_plain(connector.data)), key=lambda error: list(map(str, error.path)))
    except RecursionError:
        return failed("data is nested too deeply", mending.edit(place), place)
    if not errors:
        return OK
    told = [_told(error) for error in errors[:_SHOWN]]
    more = f" (and {len(errors) - _SHOWN} more)" if len(errors) > _SHOWN else ""
    place = places.in_metadata(connector, "data", *map(str, errors[0].absolute_path), *_unexpected(errors[0]))
    return failed("; ".join(told) + more, mending.edit(place), place)


def schema() -> dict[str, Any]:
    """The schema of a whole metadata.yaml."""
    text = resources.files(__package__).joinpath(SCHEMA).read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@functools.cache
def _validator() -> Any:
    """Of `data`, which is what reading a fleet keeps of each file."""
    from jsonschema import Draft7Validator  # slow to import

    document = schema()
    return Draft7Validator({**document["properties"]["data"], "definitions": document["definitions"]})


def _plain(value: Any) -> Any:
    """As JSON has it: YAML knows days, and keys that are no texts."""
    if isinstance(value, Mapping):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _plain_key(key: Any) -> str:
    return key if isinstance(key, str) else str(key)


def _told(error: Any) -> str:
    """The place and what is wrong there, in the schema's own words where it has some."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return f"data{place}: {_reason(error)}"


def _reason(error: Any) -> str:
    meant = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    match error.validator:
        case "required":
            return "".join(_missing(error))
        case "additionalProperties":
            return f"{', '.join(_unexpected(error))}: no such key"
        case "enum":
            return f"{error.instance!r} is none of {', '.join(map(str, error.validator_value))}"
        case "type" if error.validator_value == "string" and isinstance(error.instance, (int, float)):
            return f"{error.instance!r} is a number; write it in quotes"
        case "pattern" if meant:
            return f"{error.instance!r} is not right: {meant[0].lower()}{meant[1:].rstrip('.')}"
        case "minLength" | "minItems" | "minProperties":
            return "it is empty"
    return str(error.message)


def _missing(error: Any) -> Iterator[str]:
    # jsonschema reports each missing key by itself.
    yield next(f"{key} is missing" for key in error.validator_value if f"'{key}'" in error.message)


def _unexpected(error: Any) -> list[str]:
    """The keys that no object may have here; none where that is not what is wrong."""
    if error.validator != "additionalProperties":
        return []
    known = error.schema.get("properties", {})
    return [key for key in error.instance if key not in known and not key.startswith("x-")]
