"""The published schema of metadata.yaml: valid metadata, and the reported errors."""

from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from airbyte_ci import config
from airbyte_ci.checks import metadata_schema
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.texts import Texts
from airbyte_ci.connectors import find
from tests.checks.repository import FOLDER, Repository


def test_the_schema_is_one() -> None:
    """It is valid by its own dialect, and every definition is used."""
    document = metadata_schema.schema()
    Draft7Validator.check_schema(document)
    assert {
        name for name in document["definitions"] if f'"#/definitions/{name}"' not in str(document).replace("'", '"')
    } == set()


@pytest.mark.parametrize("examples", ["fleet", "single-connector"])
def test_the_examples_are_valid(examples: str) -> None:
    """The project's examples meet its own requirements."""
    assert_valid(Path(__file__).parents[2] / "examples" / examples)


def assert_valid(root: Path) -> int:
    """Every connector below; how many there are."""
    connectors, errors = find.find(config.find(root))
    assert not errors
    texts = Texts()
    mending = Mending(root, root)
    told = {item.name: metadata_schema.check(item, texts, mending).reason for item in connectors}
    assert {name: reason for name, reason in told.items() if reason} == {}
    return len(connectors)


@pytest.mark.parametrize(
    ("old", "new", "told", "line"),
    [
        (
            "supportLevel: certified",
            "supportLevel: gold",
            "data.supportLevel: 'gold' is not one of certified, community",
            15,
        ),
        ("dockerImageTag: 1.4.2", "dockerImageTag: 1.4", "data.dockerImageTag: 1.4 is a number; write it in quotes", 8),
        ("  name: X\n", "", "data: name is missing", 2),
        ("name: X", 'name: ""', "data.name: value is empty", 13),
        ("name: X", "nmae: X", "data: name is missing; data: unknown key nmae", 2),
        ("5c1f7c0d", "5c1f", "data.definitionId: '5c1f-94a7-4d0b-8df3-6a8a6d0c1e55' is invalid: the connector's", 7),
        ("  license: MIT", "  license: 1", "data.license: 1 is a number; write it in quotes", 12),
        ("tags:", "releaseDate: 2024-02-30x\n  tags:", "data.releaseDate: '2024-02-30x' is invalid: a day as", 16),
        ("    - language:python", "    - python", "data.tags[0]: 'python'", 16),
        ("tags:", "releases: {breakingChanges: {2.0.0: {message: m}}}\n  tags:", "upgradeDeadline is missing", 16),
        ('metadataSpecVersion: "1.0"', "metadataSpecVersion: 1.0", "metadataSpecVersion: 1.0 is a number; write it", 1),
        ('metadataSpecVersion: "1.0"', "", "metadataSpecVersion is missing", 0),
        ("data:", "spec: 1\ndata:", "unknown key spec", 2),
        ("data:", "x-spec: 1\ndata:", "unknown key x-spec", 2),
        ("  name: X\n", "  name: Y\n  name: X\n", "duplicate key name: only the last value is used", 14),
        ("tags:", 'x-ours: [{a: 1, "a": 2}]\n  tags:', "duplicate key a", 16),
        ("tags:", "x-ours: [&a {b: 1}, *a, {1: c, '1': d}]\n  tags:", "", 0),
        ("tags:", "x-ours: [1, 2]\n  tags:", "", 0),
        ("tags:", "releaseDate: 2024-02-03\n  tags:", "", 0),
    ],
)
def test_a_mistake_is_told_in_words_with_its_line(
    repository: Repository, old: str, new: str, told: str, line: int
) -> None:
    """The key, the error, and its line."""
    repository.replace(f"{FOLDER}/metadata.yaml", old, new)
    found = repository.checked("--offline", "--only=metadata-schema")[1]["metadata-schema"]
    assert found["status"] == ("failed" if told else "ok")
    assert told in found.get("reason", "")
    assert found.get("line", 0) == line
