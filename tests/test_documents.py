"""YAML, JSON and TOML of strangers: a value or one error, never a crash, and never long."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import airbyte_ci
from airbyte_ci.documents import DEPTH_LIMIT, DocumentError, load_json, load_toml, load_yaml, read_file

_CHAIN = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
_CHAIN += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
_MERGES = ["a0: &a0 {x: 1}", *(f"a{i}: &a{i}\n  <<: [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12))]
_SETS = ["a0: &a0 {x: 1}", *(f"a{i}: &a{i} {{l: *a{i - 1}, r: *a{i - 1}}}" for i in range(1, 40))]

HOSTILE_YAML = {
    "aliases in lists": "\n".join(_CHAIN),
    "aliases in mappings": "\n".join(_SETS),
    "merge keys": "\n".join(_MERGES),
    "an alias of itself": "a: &a [*a]",
    "a mapping of itself": "a: &a {b: *a}",
    "brackets": "[" * 100_000,
    "closed brackets": "[" * 1_500 + "]" * 1_500,
    "braces": "{a: " * 1_500,
    "dashes": "- " * 300_000,
    "dashes with wide blanks": ("-" + " " * 5_000) * 99 + ("-" + " " * 5_000) * 99,
    "question marks": "? " * 20_000,
    "indented": "\n".join(" " * depth + "a:" for depth in range(1_200)),
    "anchors before brackets": "&a [" * 1_900,
    "a number in base sixty": "a: 1" + ":1" * 200_000,
    "a float in base sixty": "a: 1" + ":1" * 200_000 + ".5",
    "hexadecimal": "a: 0x" + "f" * 500_000,
    "digits": "a: " + "9" * 500_000,
    "a timestamp that is none": "a: !!timestamp x",
    "an integer that is none": "a: !!int ''",
    "a float that is none": "a: !!float ''",
    "a boolean that is none": "a: !!bool x",
    "a list as a key": "? [a]\n: b",
    "Python objects": "a: !!python/object/apply:os.system [x]",
    "not UTF-8": b"a: \xff\xfe",
    "half of UTF-16": b"\xff\xfea",
    "lone surrogates": "a: \udc80",
    "NUL": "a: \x00",
    "too long": "a: " + "x" * (1 << 20),
}


@pytest.mark.parametrize("text", HOSTILE_YAML.values(), ids=HOSTILE_YAML)
def test_hostile_yaml_is_one_error(text: str | bytes) -> None:
    """No text takes long, much memory or the process along; the error is one printable line."""
    with pytest.raises(DocumentError) as caught:
        load_yaml(text)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


HOSTILE_JSON = {
    "arrays": "[" * 100_000,
    "closed arrays": "[" * 900 + "]" * 900,
    "objects": '{"a":' * 900 + "1" + "}" * 900,
    "mixed": '[{"a":' * 400 + "1" + "}]" * 400,
    "digits": "9" * 5_000,
    "not UTF-8": b'"\xff"',
    "nothing": "",
}


@pytest.mark.parametrize("text", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
def test_hostile_json_is_one_error(text: str | bytes) -> None:
    """Depth, endless numbers and broken text are refused on every Python, independent of its parser."""
    with pytest.raises(DocumentError):
        load_json(text)


HOSTILE_TOML = {
    "arrays": "a = " + "[" * 100_000,
    "tables": "a = " + "{a = " * 50_000,
    "a dotted key": ".".join("a" * 300_000) + " = 1",
    "a table's dotted name": "[" + ".".join("a" * 300_000) + "]",
    "a dotted key in a table": "a = {" + " . ".join("a" * 300_000) + " = 1}",
    "quoted parts": ".".join(['"a"'] * 100_000) + " = 1",
    "digits": "a = " + "9" * 5_000,
    "a day that is none": "a = 2023-02-30",
}


@pytest.mark.parametrize("text", HOSTILE_TOML.values(), ids=HOSTILE_TOML)
def test_hostile_toml_is_one_error(text: str) -> None:
    """Nested values and keys of thousands of parts are refused, at once."""
    with pytest.raises(DocumentError):
        load_toml(text)


_PLAIN = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.dates() | _PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_PLAIN, inner, max_size=4),
    max_leaves=30,
)


@given(_VALUES, st.booleans())
def test_yaml_means_what_it_means_to_pyyaml(value: Any, flow: bool) -> None:
    """The bounds and the shorter way to values change no value; PyYAML's own loader is the oracle."""
    text = yaml.safe_dump({"a": value, "b": value}, default_flow_style=flow, allow_unicode=True)
    assert load_yaml(text) == yaml.safe_load(text)


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize("load", [load_yaml, load_json], ids=["yaml", "json"])
def test_depth_has_one_limit(load: Callable[[str], Any]) -> None:
    """As deep as the limit is read, one deeper is refused."""
    assert load(str(_nested(DEPTH_LIMIT))) == _nested(DEPTH_LIMIT)
    with pytest.raises(DocumentError):
        load(str(_nested(DEPTH_LIMIT + 1)))


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device", "folder", "sparse"])
def test_only_regular_files_of_some_size_are_read(tmp_path: Path, kind: str) -> None:
    """A pipe does not hang, /dev/zero does not fill the memory, a sparse file is refused by its size."""
    path = tmp_path / "metadata.yaml"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/zero")
        case "link to a device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "sparse":
            path.touch()
            os.truncate(path, 20 << 30)
    with pytest.raises((DocumentError, OSError)):
        read_file(path)


def test_every_foreign_document_is_read_here() -> None:
    """No other module calls a parser of YAML, JSON or TOML, but for texts that airbyte-ci itself wrote."""
    package = Path(airbyte_ci.__file__).parent
    own = {
        "documents.py": "here",
        "edits/yaml_events.py": "events, which do not nest",
        "checks/metadata_schema.py": "the shipped schema",
        "connectors/customization.py": "the shipped schema",
        "images/plan.py": "the shipped schema",
        "recipe/evaluate.py": "the store's own actions",
        "rootfs/snapshot.py": "the store's own actions",
        "rootfs/snapshot_record.py": "the record that airbyte-ci made of a snapshot",
        "hooks/process.py": "runs in the sandbox",
        "base_images/catalog/ranges.py": "the shipped table",
        "python/sources/build_frontend.py": "runs in the sandbox",
        "images/replace_code.py": "its own plan",
        "images/unlocked.py": "its own text",
        "connectors/memory.py": "the cache of metadata, bounded when it was written",
        "testing/contents.py": "its own images",
        "oci/actions.py": "the store's own actions",
        "api/__init__.py": "the command's own output",
        "campaigns/waves/campaign_file.py": "the shipped schema",
        "cli/completion/index.py": "the index of commands, which airbyte-ci wrote",
        "toml_places.py": "a key of a text that was read here before",
    }
    found = set()
    for path in package.rglob("*.py"):
        text = path.read_text("utf-8")
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)}
        if any(re.fullmatch(r"(json|tomllib|yaml)\.(loads?|safe_load|parse|compose|scan)", call) for call in calls):
            found.add(str(path.relative_to(package)))
    assert found <= set(own), found - set(own)


def test_nothing_slow_is_imported_to_begin_with() -> None:
    """Commands that read no YAML and no TOML do not pay for their parsers."""
    code = "import sys, airbyte_ci.documents as d; print({'yaml', 'tomllib'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
