"""Secrets: where they come from, and that no text keeps them."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError
from airbyte_ci.trials import secrets
from airbyte_ci.trials.secrets import Secrets

TABLE = {"source-*": ("TOKEN", "CONFIG"), "destination-*": ("OTHER",)}


@pytest.fixture
def connector(tmp_path: Path) -> Connector:
    folder = tmp_path / "source-a"
    folder.mkdir()
    (folder / "metadata.yaml").write_text("data: {dockerRepository: acme/source-a}\n")
    return find.read(folder, tmp_path)


def test_a_file_comes_before_the_folder_and_that_before_the_environment(connector: Connector) -> None:
    """A variable with a JSON object counts as one; all that are named for the connector are secrets."""
    environment = {"TOKEN": "tok-123", "CONFIG": '{"from": "environment"}', "OTHER": "{}", "HOME": "/home"}
    found = secrets.load(connector, None, TABLE, environment)
    assert (found.configuration, set(found.variables)) == (b'{"from": "environment"}', {"TOKEN", "CONFIG"})
    (connector.folder / "secrets/more").mkdir(parents=True)
    (connector.folder / "secrets/more/key.pem").write_text("key")
    (connector.folder / "secrets/config.json").write_text('{"from": "folder"}')
    found = secrets.load(connector, None, TABLE, environment)
    assert (found.configuration, set(found.files)) == (b'{"from": "folder"}', {"config.json", "more/key.pem"})
    assert secrets.load(connector, b'{"from": "file"}', TABLE, environment).configuration == b'{"from": "file"}'


def test_what_is_missing_is_told_by_name(connector: Connector) -> None:
    """Where a configuration was looked for, in that order."""
    found = secrets.load(connector, None, TABLE, {})
    assert found.missing == "no configuration: neither --config nor secrets/config.json nor $CONFIG nor $TOKEN"


def test_a_broken_configuration_is_refused_without_its_content(connector: Connector, tmp_path: Path) -> None:
    """An error message must not show what it is about."""
    for text in ('{"password": "hunter2x"', '["hunter2x"]'):
        (tmp_path / "given.json").write_text(text)
        with pytest.raises(UsageError) as caught:
            secrets.configuration_in(tmp_path / "given.json")
        assert "hunter2x" not in str(caught.value)
        (connector.folder / "secrets").mkdir(exist_ok=True)
        (connector.folder / "secrets/config.json").write_text(text)
        found = secrets.load(connector, None, {}, {})
        assert "is not a JSON object" in found.problem and "hunter2x" not in found.problem


PASSWORD = 'p"a s/ß\\word'
KEY = "-----BEGIN KEY-----\nMIIabcdefgh\nZZZZ9999+/==\n-----END KEY-----\n"
KNOWN = Secrets(
    json.dumps({"a": {"b": [PASSWORD]}, "id": 123456789, "port": 5432, "on": True, "x": "no"}).encode(),
    files={"key.pem": KEY.encode()},
    variables={"TOKEN": "tok-123", "MORE": '{"deep": "in-json-env"}'},
)


@pytest.mark.parametrize(
    "text",
    [
        PASSWORD,
        repr(PASSWORD),
        json.dumps(PASSWORD),
        json.dumps(PASSWORD, ensure_ascii=False),
        f"https://u:{quote(PASSWORD, safe='')}@host/",
        base64.b64encode(PASSWORD.encode()).decode(),
        "account 123456789",
        KEY,
        "a line MIIabcdefgh of it",
        json.dumps(KEY),
        "TOKEN=tok-123",
        "in-json-env",
    ],
)
def test_no_spelling_of_a_secret_stays(text: str) -> None:
    """As it is, escaped, in a URL, in base64, each line of a key, and what lies in a variable's JSON."""
    shown = KNOWN.redact(f"before {text} after")
    assert shown.startswith("before ") and shown.endswith(" after")
    assert secrets.HIDDEN in shown
    for part in (PASSWORD, "word", "123456789", "MIIabcdefgh", "tok-123", "in-json-env", "ZZZZ9999"):
        assert part not in shown


def test_other_texts_stay() -> None:
    """Short texts and numbers are not taken for secrets, and a secret's own representation shows none."""
    assert KNOWN.redact("port 5432 is on: no, True") == "port 5432 is on: no, True"
    assert Secrets(None).redact("anything") == "anything"
    assert "tok-123" not in repr(KNOWN) and "word" not in repr(KNOWN)
