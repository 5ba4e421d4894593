"""The shorter way from nodes to values gives what PyYAML gives."""

from pathlib import Path

import pytest
import yaml

from airbyte_ci.connectors.metadata import load

DOCUMENTS = {
    "texts": "data:\n  a: x\n  'b': \"y\"\n  c: |\n    z\n",
    "other kinds": "data: {a: 1, b: 1.5, c: true, d: null, e: 2024-01-01, f: 0x10, g: ~, h: ''}\n",
    "lists": "data:\n  a: [x, [y, 1], {z: 2}]\n  b:\n  - c\n  - d: e\n",
    "aliases": "data:\n  a: &x [p, q]\n  b: *x\n",
    "merge keys": "base: &x {y: 1}\ndata:\n  <<: *x\n  z: 2\n",
    "keys that are no texts": "data: {1: a, true: b, 2.0: c}\n",
    "the same key twice": "data: {a: 1, a: 2}\n",
    "explicit tags": "data: {a: !!str 1, b: !!int '2', c: !!set {x, y}}\n",
}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_values_are_those_of_safe_load(text: str, tmp_path: Path) -> None:
    """`load` and `yaml.safe_load` agree on any document."""
    path = tmp_path / "metadata.yaml"
    path.write_text(text)
    assert load(path, "metadata.yaml") == yaml.safe_load(text)["data"]
