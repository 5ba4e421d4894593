"""Secrets: where they come from, and that no text keeps them."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from airbyte_ci.connector_tests import secrets
from airbyte_ci.connector_tests.redaction import HIDDEN
from airbyte_ci.connector_tests.secrets import Secrets
from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError

TABLE = {"source-*": ("TOKEN", "CONFIG"), "destination-*": ("OTHER",)}


@pytest.fixture
def connector(tmp_path: Path) -> Connector:
    folder = tmp_path / "source-a"
    folder.mkdir()
    (folder / "metadata.yaml").write_text("data: {dockerRepository: acme/source-a}\n")
    return find.read(folder, tmp_path)


def test_a_file_comes_before_the_folder_and_that_before_the_environment(connector: Connector) -> None:
    """A variable with a JSON object is the configuration; all variables of the connector are secrets."""
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
    """The locations of a configuration, in order."""
    found = secrets.load(connector, None, TABLE, {})
    assert found.missing == "no configuration: neither --config nor secrets/config.json nor $CONFIG nor $TOKEN"


def test_a_file_that_is_too_large_is_told(connector: Connector) -> None:
    """It is in no step, and is named; if it is the configuration, it is the reason that there is none."""
    (connector.folder / "secrets").mkdir()
    for name, size in (("config.json", (4 << 20) + 1), ("big.bin", 5 << 20), ("small.bin", 4 << 20)):
        with (connector.folder / "secrets" / name).open("wb") as file:
            file.truncate(size)
    found = secrets.load(connector, None, {}, {})
    assert (set(found.files), found.left_out) == ({"small.bin"}, ("big.bin", "config.json"))
    assert found.missing.endswith("(larger than 4 MiB, so left out: secrets/config.json)")
    assert secrets.too_large(found.left_out).endswith("secrets/big.bin, secrets/config.json")


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
    configuration=json.dumps({"a": {"b": [PASSWORD]}, "id": 123456789, "port": 5432, "on": True, "x": "no"}).encode(),
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
    assert HIDDEN in shown
    for part in (PASSWORD, "word", "123456789", "MIIabcdefgh", "tok-123", "in-json-env", "ZZZZ9999"):
        assert part not in shown


def test_other_texts_stay() -> None:
    """Short texts and numbers are not taken for secrets, and a secret's own representation shows none."""
    assert KNOWN.redact("port 5432 is on: no, True") == "port 5432 is on: no, True"
    assert Secrets(configuration=None).redact("anything") == "anything"
    assert "tok-123" not in repr(KNOWN) and "word" not in repr(KNOWN)


@pytest.mark.parametrize("user", ["u", "us", "use", "some.body@example.com"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_password_in_a_header_is_hidden_wherever_it_begins(user: str, encode: Callable[[bytes], bytes]) -> None:
    """HTTP Basic encodes it behind a name; no part of it can be decoded from what is left."""
    password = "hunter2?~>x"
    known = Secrets(configuration=json.dumps({"password": password}).encode())
    header = encode(f"{user}:{password}\n".encode()).decode()
    shown = known.redact(f"Authorization: Basic {header}")
    left = shown.removeprefix("Authorization: Basic ").partition(HIDDEN)[0]
    assert HIDDEN in shown
    decoded = base64.urlsafe_b64decode(left[: len(left) // 4 * 4])
    assert f"{user}:".encode().startswith(decoded)


@pytest.mark.parametrize("size", [20, 600])
def test_no_part_of_a_long_value_stays(size: int) -> None:
    """A token that is abbreviated or cut at either end shows less than eight of its characters in a row."""
    token = "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(10))[:size]
    known = Secrets(configuration=json.dumps({"token": token}).encode())
    for text in (
        f"{token[:89]}...{token[-100:]}",
        f"assert '{token[3:15]}...' == 'x'",
        base64.b64encode(token.encode()).decode()[10:-5],
        token.encode().hex()[:24],
    ):
        shown = known.redact(text)
        assert not [at for at in range(size - 7) if token[at : at + 8] in shown], shown
        assert HIDDEN in shown and all(len(word) < 12 for word in shown.replace(HIDDEN, " ").split())


def test_words_of_addresses_and_dates_are_left_in_other_texts() -> None:
    """They are hidden only as a whole; a long part of an address is a secret."""
    signature = "sv2024aBcDeFgHiJkLmNoP"
    values = {"url": f"https://accounts.example.com/v1?sig={signature}", "since": "2024-01-01T00:00:00+00:00"}
    known = Secrets(configuration=json.dumps(values).encode())
    assert known.redact("https://accounts.example.org at 2024-01-01 00:00:00") == (
        "https://accounts.example.org at 2024-01-01 00:00:00"
    )
    assert known.redact(f"{values['url']} {values['since']}") == f"{HIDDEN} {HIDDEN}"
    assert known.redact(f"...{signature[5:]}") == f"...{HIDDEN}"


@pytest.mark.parametrize(
    "text",
    ["771234567.250", "771234567.25", "771234567", "771,234,567", f"{771234567:#x}", "0.0012345678", "h\u00e4slich"],
)
def test_numbers_are_hidden_as_they_are_written(text: str) -> None:
    """With a fraction or without, grouped, in hex; and a text with its letters escaped."""
    known = Secrets(
        configuration=b'{"a": -771234567.250, "b": 0.0012345678, "c": "h\xc3\xa4slich", "d": 0.5, "e": 12.75}'
    )
    assert known.redact(f"[{text}] 0.5 12.75") == f"[{HIDDEN}] 0.5 12.75"


def test_hex_and_other_escapes_are_hidden() -> None:
    """A value's bytes in hex, percent-encoded in part or in small letters."""
    known = Secrets(configuration=b'{"a": "s\xc3\xb6/ret+x"}')
    for text in (
        "s\u00f6/ret+x".encode().hex(),
        "s\u00f6/ret+x".encode().hex().upper(),
        "s%C3%B6/ret%2Bx",
        "s%c3%b6%2fret%2bx",
    ):
        assert known.redact(f"<{text}>") == f"<{HIDDEN}>"
