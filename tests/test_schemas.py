"""The JSON Schemas that come with the package, as editors and other tools read them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource

import airbyte_ci

SCHEMAS = {
    path: document
    for path in Path(airbyte_ci.__file__).parent.rglob("*.json")
    if "$schema" in (document := json.loads(path.read_bytes()))
}


def test_each_has_a_name_of_its_own_and_of_one_kind() -> None:
    """The id is a URN, so it does not look like an address that could be opened."""
    names = {document["$id"] for document in SCHEMAS.values()}
    assert names == {
        f"urn:airbyte-ci:schema:{name}" for name in ("build-customization", "build-plan", "campaign", "metadata")
    }
    assert len(names) == len(SCHEMAS)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _references(item)


def test_each_is_a_schema_whose_references_are_found() -> None:
    """By the draft that it names, and from below its name."""
    for document in SCHEMAS.values():
        jsonschema.validators.validator_for(document).check_schema(document)
        resource: Resource[Any] = Resource.from_contents(document)
        resolver = Registry().with_resource(document["$id"], resource).resolver(document["$id"])
        for reference in _references(document):
            assert isinstance(resolver.lookup(reference).contents, dict)
