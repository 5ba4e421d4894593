"""The JSON Schema of the configuration accepts what airbyte-ci accepts."""

import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_ci import config
from airbyte_ci.campaigns.migrations.table import MIGRATIONS
from airbyte_ci.checks import all_checks
from airbyte_ci.config import KEYS
from airbyte_ci.errors import ConfigurationError
from airbyte_ci.reports import configuration_schema

SCHEMA = configuration_schema.schema(MIGRATIONS, (rule.id for rule in all_checks.RULES))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)

_TEXTS = st.sampled_from(["", "x", "https://x/{number}", "{id}", "0.63.0", "1", "0.x", "٣"])
_LISTS = st.lists(_TEXTS, max_size=2)
_TABLES = st.dictionaries(st.sampled_from(["x", "default", "bump-version", "bump_version"]), st.booleans() | _LISTS)
_NAMES = st.sampled_from([*(key.name for key in KEYS), *(key.field for key in KEYS), *config.ALIASES, "conectors"])


def _accepts(tmp_path: Path, text: str) -> bool:
    (tmp_path / config.FILE).write_text(text)
    try:
        config.find(tmp_path, MIGRATIONS)
    except ConfigurationError:
        return False
    return True


def _toml(name: str, value: object) -> str:
    if isinstance(value, dict):
        return f"{name} = {{ {', '.join(_toml(key, item) for key, item in value.items())} }}"
    return f"{name} = {str(value).lower() if isinstance(value, bool) else value!r}"


@settings(max_examples=300, deadline=None)
@given(name=_NAMES, value=st.booleans() | st.integers(0, 9) | _TEXTS | _LISTS | _TABLES)
def test_schema_and_reader_accept_the_same_files(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: object
) -> None:
    """A file with one key is valid in an editor exactly if airbyte-ci reads it; `checks` are compared elsewhere."""
    if config.key_name(name) == "checks":
        return
    text = _toml(name, value)
    valid = VALIDATOR.is_valid(tomllib.loads(text))
    assert valid == _accepts(tmp_path_factory.mktemp("configured"), text), text


@pytest.mark.parametrize(
    ("checks", "valid"),
    [
        ({"warning": ["docs-page"], "off": ["built"], "error": []}, True),
        ({"warnings": ["docs-page"]}, False),
        ({"warning": ["docs_page"]}, False),
        ({"warning": "docs-page"}, False),
    ],
)
def test_severities_and_checks_are_known(checks: dict[str, object], valid: bool) -> None:
    """Editors mark an unknown severity and an unknown check."""
    assert VALIDATOR.is_valid({"checks": checks}) == valid


def test_every_key_is_described() -> None:
    """Editors show the help of each key, and mark former names."""
    properties = SCHEMA["properties"]
    assert all(properties[key.name]["description"] for key in KEYS)
    assert all(properties[name]["deprecated"] for name in config.ALIASES)
    assert properties["catalog"]["default"] == "base-images.yaml"
