"""Validates metadata.yaml against the published schema (metadata.schema.json next to this module)."""

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from importlib import resources
from typing import Any

import yaml

from airbyte_ci import schema_errors
from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed
from airbyte_ci.checks.texts import Texts
from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.documents import DocumentError, compose_yaml, construct_yaml

RULE = Rule(
    id="metadata-schema",
    point=0,
    label="metadata",
    title="metadata.yaml is valid according to the published JSON Schema.",
    why="A misspelled key is ignored: supportlevel, for example, would turn every failure into a warning.",
    needs_level=True,
)
SCHEMA = "metadata.schema.json"
_SHOWN = 3


def check(connector: Connector, texts: Texts, mending: Mending) -> Verdict:
    place = places.file(connector, METADATA)
    try:
        beside, twice = _outside_data(texts.text(connector.folder / METADATA) or "")
        document = {**_plain(beside), "data": _plain(connector.data)}
        errors = sorted(_validator().iter_errors(document), key=lambda error: list(map(str, error.path)))
    except RecursionError:
        return failed("data is nested too deeply", mending.edit(place), place)
    except DocumentError as error:
        return failed(f"metadata.yaml cannot be read: {error}", mending.edit(place), place)
    if "metadataSpecVersion" not in document:
        command = f"echo 'metadataSpecVersion: \"1.0\"' >> {mending.path(place.path)}"
        return failed("metadataSpecVersion is missing", command, place)
    if twice:
        place = replace(place, line=twice[0][1])
        names = ", ".join(dict.fromkeys(name for name, _ in twice))
        return failed(f"duplicate key {names}: only the last value is used", mending.edit(place), place)
    if not errors:
        return OK
    reasons = [schema_errors.describe(error) for error in errors[:_SHOWN]]
    more = f" (and {len(errors) - _SHOWN} more)" if len(errors) > _SHOWN else ""
    place = places.in_metadata(
        connector, *map(str, errors[0].absolute_path), *schema_errors.find_unknown_keys(errors[0])
    )
    return failed("; ".join(reasons) + more, mending.edit(place), place)


def schema() -> dict[str, Any]:
    """Returns the schema of a whole metadata.yaml."""
    text = resources.files(__package__).joinpath(SCHEMA).read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@functools.cache
def _validator() -> Any:  # noqa: ANN401  # jsonschema is imported late
    with schema_errors.quick_import():
        from jsonschema import Draft7Validator  # slow to import

    return Draft7Validator(schema())


def _outside_data(text: str) -> tuple[dict[Any, Any], list[tuple[str, int]]]:
    """Returns the top-level keys other than `data`, and duplicate keys with the line of the later one.

    Raises DocumentError.
    """

    def read(root: object) -> tuple[dict[Any, Any], list[tuple[str, int]]]:
        if not isinstance(root, yaml.MappingNode):
            return {}, []
        twice = [*_twice(root, set())]
        root.value = [(key, value) for key, value in root.value if key.value != "data"]
        return construct_yaml(root), twice

    found: tuple[dict[Any, Any], list[tuple[str, int]]] = compose_yaml(text, read)
    return found


def _twice(node: Any, seen: set[int]) -> Iterator[tuple[str, int]]:  # noqa: ANN401  # parsed data
    # The target of an alias is searched once.
    if isinstance(node, yaml.ScalarNode) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item, seen)
        return
    names = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in names:
                yield key.value, key.start_mark.line + 1
            names.add((key.tag, key.value))
        yield from _twice(value, seen)


def _plain(value: object) -> Any:  # noqa: ANN401  # parsed data
    """Converts YAML to JSON values: dates and keys become text, and a key without a value is dropped."""
    if isinstance(value, Mapping):
        return {_plain_key(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _plain_key(key: object) -> str:
    return key if isinstance(key, str) else str(key)
