"""Edits of YAML texts that reach any node: what is written reads back, and everything else keeps its bytes."""

import pytest
import yaml

from airbyte_ci.edits import yaml_nodes
from airbyte_ci.edits.yaml_nodes import Literal
from airbyte_ci.errors import EditRefused

TEXT = """\
# kept
a: &x {one: "1", two: [b, 'c']}  # kept too
list:
- name: first   # of the list
  class_name: old.path
-   name: 'second'
    class_name: "old.path"
block: |
  old.path
alias: *x
on: true
"""


def test_a_string_is_replaced_everywhere_and_nothing_else() -> None:
    """Values are replaced in their quotes, inside lists and braces; block scalars that are not chosen stay."""
    result = yaml_nodes.rewrite(TEXT, lambda path, value: "new.path" if path[-1] == "class_name" else None)
    assert result == TEXT.replace("class_name: old.path", "class_name: new.path").replace('"old.path"', '"new.path"')


def test_a_literal_is_written_without_quotes() -> None:
    """A boolean stays a boolean."""
    result = yaml_nodes.rewrite(TEXT, lambda path, _: Literal("false") if path == ("on",) else None)
    assert yaml.safe_load(result)[True] is False


@pytest.mark.parametrize(
    "value", ["true", "1.5", "a: b", "# no", "it's", 'q"q', "- x", "", " ", "é", "null", "1e3", "x\ny"]
)
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_any_string_reads_back(value: str, quote: str) -> None:
    """Whatever the new string is and whatever quotes the old one had, loaders read the string."""
    text = f"a: {quote}old{quote}  # comment\nb: 1\n"
    result = yaml_nodes.rewrite(text, lambda path, _: value if path == ("a",) else None)
    assert yaml.safe_load(result) == {"a": value, "b": 1}
    assert result.endswith("  # comment\nb: 1\n")


def test_a_shared_or_block_scalar_is_refused() -> None:
    """An anchored string is read elsewhere too, and a block scalar has no place for another one."""
    for text in ("a: &x old\nb: *x\n", "a: |\n  old\n", "a: !!str old\n"):
        with pytest.raises(EditRefused, match="a cannot be changed"):
            yaml_nodes.rewrite(text, lambda path, _: "new" if path == ("a",) else None)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("final", [True, False])
def test_a_block_is_appended(ending: str, final: bool) -> None:
    """The appended keys are the last ones; line ends are those of the text, which keeps its bytes."""
    text = TEXT.replace("\n", ending) if final else TEXT.replace("\n", ending).removesuffix(ending)
    result = yaml_nodes.append_block(text, "spec:\n  a: 1\n")
    assert result.startswith(text)
    assert yaml.safe_load(result) == {**yaml.safe_load(text), "spec": {"a": 1}}
    assert "\n" not in result.replace(ending, "")


def test_a_block_that_would_change_the_text_above_is_refused() -> None:
    """Where the text ends its document, or keeps the blank lines of its last value, nothing is appended."""
    for text in ("a: 1\n...\n", "a: |+\n  x\n\n\nb: [\n  1]\n...\n", "{a: 1}\n", "- a\n"):
        with pytest.raises(EditRefused):
            yaml_nodes.append_block(text, "spec: 1\n")


def test_a_block_is_inserted_and_a_key_removed() -> None:
    """A nested mapping takes keys at its own indentation; the removed key takes its lines with it."""
    result = yaml_nodes.insert_block(TEXT, ("list", 1), "new:\n  deep: 1\n")
    assert yaml.safe_load(result)["list"][1] == {"name": "second", "class_name": "old.path", "new": {"deep": 1}}
    removed = yaml_nodes.remove_key(result, ("list", 1), "new")
    assert removed == TEXT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tags:\n  - a\n  - b\nx: 1\n", "tags:\n  - c\n  - d: e\nx: 1\n"),
        ("tags:\n- a\nx: 1\n", "tags:\n- c\n- d: e\nx: 1\n"),
        ("tags: [a, b] # c\n", "tags: [c, d: e] # c\n"),
    ],
)
def test_items_of_a_list_are_replaced(text: str, expected: str) -> None:
    """A list keeps its form; strings get the quotes that they need."""
    result = yaml_nodes.set_items(text, ("tags",), ["c", "d: e"])
    assert result == expected.replace("d: e", '"d: e"')


def test_a_list_with_more_than_strings_is_refused() -> None:
    """Comments and nested values would be lost."""
    for text in ("tags:\n- a # why\n- b\n", "tags: [{a: b}]\n", "tags: &x [a]\n", "tags: a\n", "x: 1\n"):
        with pytest.raises(EditRefused, match="tags cannot be changed"):
            yaml_nodes.set_items(text, ("tags",), ["c"])
