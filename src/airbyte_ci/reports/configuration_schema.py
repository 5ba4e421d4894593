"""Makes the JSON Schema of the configuration from the table in `config`, for editors and other tools."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from airbyte_ci.checks.weights import Weight
from airbyte_ci.config import ALIASES, KEYS, Key

ID = "urn:airbyte-ci:schema:configuration"


def schema(commands: Iterable[str], checks: Iterable[str]) -> dict[str, Any]:
    """Returns the schema. `commands` are those that `changelog` may name, and `checks` the IDs of all checks."""
    narrowed = {"changelog": _changelog(commands), "checks": _checks(checks)}
    properties: dict[str, Any] = {}
    for key in KEYS:
        properties[key.name] = _property(key, narrowed.get(key.name, key.kind.schema))
        if key.field != key.name:
            properties[key.field] = _other_name(key.name)
    properties |= {former: _other_name(name) for former, name in ALIASES.items()}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",  # what editors of TOML support
        "$id": ID,
        "title": "airbyte-ci",
        "description": "The configuration in .airbyte-ci.toml, or in [tool.airbyte-ci] of pyproject.toml.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _property(key: Key, kind: Mapping[str, Any]) -> dict[str, Any]:
    found = {"description": f"{key.help[0].upper()}{key.help[1:]}.", **kind}
    if key.form:
        found["pattern"] = key.form.pattern
    default = key.default
    if isinstance(default, str | tuple) and default:
        found["default"] = list(default) if isinstance(default, tuple) else default
    return found


def _other_name(name: str) -> dict[str, Any]:
    return {"allOf": [{"$ref": f"#/properties/{name}"}], "description": f"Another name of {name}.", "deprecated": True}


def _changelog(commands: Iterable[str]) -> dict[str, Any]:
    names = ["default", *(name for command in commands for name in dict.fromkeys((command.replace("_", "-"), command)))]
    switches = {name: {"type": "boolean"} for name in names}
    return {
        "anyOf": [{"type": "boolean"}, {"type": "object", "properties": switches, "additionalProperties": False}],
        "default": True,
    }


def _checks(checks: Iterable[str]) -> dict[str, Any]:
    ids = {"type": "array", "items": {"enum": sorted(checks)}}
    return {"type": "object", "properties": dict.fromkeys(get_args(Weight), ids), "additionalProperties": False}
