"""Secrets of a connector's folder: one list, for everything that reads such a folder."""

from pathlib import Path

import pytest

from airbyte_ci.connectors import folder_files, hidden_files

KEY = b"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n"
SECRETS = {
    "secrets/config.json": b"{}",
    "integration_tests/secrets/config.json": b"{}",
    "a/b/c/secrets/x": b"",
    "Secrets/x": b"",
    ".env": b"A=1",
    ".env.local": b"A=1",
    "deep/.env.production": b"A=1",
    ".envrc": b"",
    ".netrc": b"",
    "a/.npmrc": b"",
    ".pypirc": b"",
    ".git-credentials": b"",
    ".docker/config.json": b"{}",
    ".kube/config": b"",
    "a/.aws/credentials": b"",
    ".ssh/known_hosts": b"",
    ".git/config": b"",
    "a/.git": b"gitdir: ../..",
    "id_rsa": b"x",
    "tests/id_ed25519": b"x",
    "server.pem": KEY,
    "server.key": b"\n\n" + KEY,
    "ec.pem": b"-----BEGIN EC PRIVATE KEY-----\n",
    "pkcs8.key": b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    "plain.key": b"-----BEGIN PRIVATE KEY-----\n",
    "pgp.asc": b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    "store.p12": b"x",
    "store.jks": b"x",
    "account.json": b'{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\n"}',
    "terraform.tfstate": b"{}",
}
PLAIN = {
    "main.py": b"",
    "environment.py": b"",
    "secrets.py": b"",
    "secret_manager/x.py": b"",
    ".env.example": b"A=",
    "certificate.pem": b"-----BEGIN CERTIFICATE-----\n",
    "public.key": b"-----BEGIN PUBLIC KEY-----\n",
    "schemas/key.json": b'{"private_key": {"type": "string"}}',
    "id_rsa.py": b"",
    "keys.json": b"{}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A connector's folder with everything in it."""
    for name, content in (SECRETS | PLAIN).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_an_image_gets_no_secret(folder: Path) -> None:
    """At any depth, by name or by what is in it; certificates, schemas and examples are no secrets."""
    found = {item.path for item in folder_files.walk(folder) if not item.is_folder}
    assert found == set(PLAIN)


def test_a_hook_gets_no_secret(folder: Path) -> None:
    """Exactly the secrets are hidden."""
    hidden = set(hidden_files.hidden(folder))
    assert {name for name in SECRETS | PLAIN if any(f"{name}/".startswith(f"{item}/") for item in hidden)} == set(
        SECRETS
    )


def test_no_link_is_followed(folder: Path, tmp_path: Path) -> None:
    """A link stays a link: its target is neither read nor inspected."""
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "up").symlink_to("..")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    assert {item.path for item in folder_files.walk(folder) if item.is_link} == {"out", "up", "zero.json"}
    assert not {"out", "up", "zero.json"} & set(hidden_files.hidden(folder))
