"""One line for each violation of a schema."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airbyte_ci import schema_errors

CAT = {"type": "object", "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}}, "required": ["kind"]}
DOG = {
    "type": "object",
    "properties": {"kind": {"const": "dog"}, "toys": {"type": "array", "items": {"enum": ["ball", "stick"]}}},
    "required": ["kind", "toys"],
}
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$", "description": "Lower-case letters."},
        "code": {"type": "string", "pattern": "^[0-9]+$"},
        "pets": {"type": "array", "minItems": 1, "items": {"oneOf": [{"anyOf": [CAT]}, DOG]}},
        "format": {"const": 2},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"name": "A"}, "name: 'A' is invalid: lower-case letters"),
        ({"name": 1.1}, "name: 1.1 is a number; write it in quotes"),
        ({"code": "x"}, "code: 'x' does not match ^[0-9]+$"),
        ({"nme": "a"}, "unknown key nme"),
        ({"format": 1}, "format: 1 is not 2"),
        ({"pets": []}, "pets: value is empty"),
        (
            {"pets": [{"kind": "cat"}, {"kind": "cat", "lives": "nine"}]},
            "pets[1].lives: 'nine' is not of type 'integer'",
        ),
        ({"pets": [{"kind": "dog"}]}, "pets[0]: toys is missing"),
        ({"pets": [{"kind": "cow"}]}, "pets[0]: {'kind': 'cow'} is not valid here"),
        ({"pets": [{"kind": "dog", "toys": ["bone"]}]}, "pets[0].toys[0]: 'bone' is not one of ball, stick"),
    ],
)
def test_the_place_and_the_value_are_named(document: dict[str, Any], said: str) -> None:
    """The innermost place is named where one alternative is meant; else the value that is none of them."""
    (error,) = Draft202012Validator(SCHEMA).iter_errors(document)
    assert schema_errors.describe(error) == said
