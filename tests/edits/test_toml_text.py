"""Strings in TOML texts: one is replaced in place, or the edit is refused."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_ci.edits.toml_text import get_string, set_string
from airbyte_ci.errors import EditRefused

PYPROJECT = '''# version = "0"
[build-system] # [tool.poetry]
requires = [ "poetry-core>=1.0.0", # ] version = "0"
  { version = "0" } ]

[tool.poetry]
"name" = 'source-faker'   # keep 'this'
description = """
[tool.poetry]
version = "0"
"""
paths = \'\'\'C:\\
version = "0"\'\'\'
when = 1979-05-27 07:32:00Z
float = nan
version = "6.1.2"  # bumped
urls.home = "https://example.com/#x"

[tool.poetry.dependencies]
python = "^3.9,<3.12"
airbyte-cdk = {version = "^0", extras = ["a", "b"]}
[tool.poetry.scripts]
[[tool.poetry.packages]]
include = "source_faker"
'''


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        ("tool poetry version", "6.1.3", '\nversion = "6.1.2"', '\nversion = "6.1.3"'),
        ("tool poetry name", "source-x", "'source-faker'", "'source-x'"),
        ("tool poetry name", "it's", "'source-faker'", '"it\'s"'),
        ("tool poetry urls home", 'a"\\b', '"https://example.com/#x"', r'"a\"\\b"'),
        ("tool poetry dependencies python", "^3.10", '"^3.9,<3.12"', '"^3.10"'),
        ("tool poetry dependencies airbyte-cdk version", "^1", '{version = "^0"', '{version = "^1"'),
    ],
)
def test_only_the_string_changes(path: str, value: str, old: str, new: str, newline: str) -> None:
    """Comments, quotes, spaces, line ends and look-alikes in strings and comments stay."""
    text, old, new = (part.replace("\n", newline) for part in (PYPROJECT, old, new))
    result = set_string(text, path.split(), value)
    assert result == text.replace(old, new)
    assert set_string(result, path.split(), value) == result
    assert get_string(result, path.split()) == value


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("tool poetry nothing", "no such string"),
        ("tool poetry float", "no such string"),
        ("tool poetry packages include", "no such string"),
        ("tool poetry version deeper", "no such string"),
        ("tool poetry description", "not a string on one line"),
        ("tool poetry paths", "not a string on one line"),
    ],
)
def test_what_is_not_a_string_on_one_line_is_refused(path: str, reason: str) -> None:
    """Absent keys, other types, members of arrays and strings over several lines are not edited."""
    with pytest.raises(EditRefused, match=reason):
        set_string(PYPROJECT, path.split(), "x")


def test_what_is_not_toml_is_refused() -> None:
    """A text that cannot be parsed is neither read nor edited."""
    with pytest.raises(EditRefused, match="not TOML"):
        get_string("version = ", ["version"])


@settings(max_examples=40, deadline=None)
@given(st.text())
def test_there_and_back(value: str) -> None:
    """Any text can be set and is read back; setting the old one again gives the old bytes."""
    path = ["tool", "poetry", "version"]
    result = set_string(PYPROJECT, path, value)
    assert tomllib.loads(result)["tool"]["poetry"]["version"] == value
    assert set_string(result, path, "6.1.2") == PYPROJECT
