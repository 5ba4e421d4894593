"""Keys are read from files and variables, and every refusal is one line that contains no part of a key."""

import base64
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from airbyte_ci.attest.signing import keys
from airbyte_ci.attest.signing.keys import PASSPHRASE
from airbyte_ci.errors import SignatureError
from tests.attest.releases import openssl


@pytest.fixture(scope="module")
def private() -> str:
    return openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


@pytest.fixture(scope="module")
def public(private: str) -> str:
    return openssl("pkey", "-pubout", stdin=private)


def test_a_key_is_read_from_a_file_or_a_variable(tmp_path: Path, private: str, public: str) -> None:
    """A file, a variable and a variable with escaped line ends give the same key, and its public half verifies."""
    file, pub = tmp_path / "key.pem", tmp_path / "key.pub"
    file.write_text(private)
    pub.write_text(public)
    environment = {"KEY": private, "FLAT": private.replace("\n", "\\n"), "PUB": public}
    found = [keys.read_signing_key(place, environment) for place in (str(file), "env:KEY", "env:FLAT")]
    assert len({key.sign(b"text") for key in found}) == 1
    for place in (str(pub), "env:PUB"):
        verifying = keys.read_verifying_key(place, environment)
        assert verifying.accepts(found[0].sign(b"text"), b"text")
        assert not verifying.accepts(found[0].sign(b"text"), b"other")
        assert verifying.hint == found[0].public.hint


def test_openssl_verifies_a_signature(tmp_path: Path, private: str, public: str) -> None:
    """OpenSSL, which knows nothing of airbyte-ci, accepts the signature."""
    key = keys.read_signing_key("env:K", {"K": private})
    for name, data in (("sig", key.sign(b"message")), ("message", b"message"), ("pub", public.encode())):
        (tmp_path / name).write_bytes(data)
    place = [str(tmp_path / name) for name in ("pub", "sig", "message")]
    assert "Verified OK" in openssl("dgst", "-sha256", "-verify", place[0], "-signature", place[1], place[2])


def test_the_hint_is_the_digest_of_the_key_in_der_form(private: str) -> None:
    """The hint is that of cosign: base64 of the SHA-256 of the SubjectPublicKeyInfo, as OpenSSL writes it."""
    der = subprocess.run(
        ["openssl", "pkey", "-pubout", "-outform", "DER"], input=private.encode(), capture_output=True, check=True
    ).stdout
    sha = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der, capture_output=True, check=True).stdout
    assert keys.read_signing_key("env:K", {"K": private}).public.hint == base64.b64encode(sha).decode()


def test_an_encrypted_key_needs_its_passphrase(private: str) -> None:
    """An encrypted PKCS#8 key opens with the passphrase from the environment, and with no other one."""
    locked = openssl("pkcs8", "-topk8", "-passout", "pass:correct horse", stdin=private)
    plain = keys.read_signing_key("env:K", {"K": private})
    opened = keys.read_signing_key("env:K", {"K": locked, PASSPHRASE: "correct horse"})
    assert opened.sign(b"text") == plain.sign(b"text")
    for given in ({}, {PASSPHRASE: "wrong horse"}):
        with pytest.raises(SignatureError, match=PASSPHRASE) as failure:
            keys.read_signing_key("env:K", {"K": locked, **given})
        _confirm_hidden(str(failure.value), [locked, "wrong horse"])


def _others() -> dict[str, str]:
    return {
        "P-384": openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
        "Ed25519": openssl("genpkey", "-algorithm", "ed25519"),
        "RSA": openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        "text": "hunter2hunter2hunter2hunter2",
        "empty": "",
        "broken": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----\n",
        "cosign": "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END ENCRYPTED SIGSTORE"
        " PRIVATE KEY-----\n",
    }


def test_other_keys_are_refused(tmp_path: Path, private: str, public: str) -> None:
    """A key of another kind, a broken one and a text are each refused in one line that shows nothing of them."""
    for name, text in {**_others(), "public": public}.items():
        (tmp_path / name).write_text(text)
        for place, environment in ((str(tmp_path / name), {}), ("env:K", {"K": text})):
            with pytest.raises(SignatureError) as failure:
                keys.read_signing_key(place, environment)
            _confirm_hidden(str(failure.value), [text])
    for text in (private, *_others().values()):
        with pytest.raises(SignatureError) as failure:
            keys.read_verifying_key("env:K", {"K": text})
        _confirm_hidden(str(failure.value), [text])


@pytest.mark.parametrize("place", ["missing.pem", ".", "env:", "env:not a name", "env:UNSET", "\0", "/dev/zero"])
def test_a_place_without_a_key_is_refused(place: str) -> None:
    """A file or variable that is not there is named."""
    for read in (keys.read_signing_key, keys.read_verifying_key):
        with pytest.raises(SignatureError, match="cannot read"):
            read(place, {})


def test_a_key_in_place_of_its_file_is_not_printed(private: str) -> None:
    """A key that is pasted on the command line appears in no message."""
    for place in (private, f"env:{private}", private.splitlines()[1], f"env:{private.splitlines()[1]}"):
        with pytest.raises(SignatureError) as failure:
            keys.read_signing_key(place, {})
        _confirm_hidden(str(failure.value), [private])


def test_a_key_is_not_shown_by_repr(private: str) -> None:
    """The representation of a key, which tracebacks and logs contain, shows its public name only."""
    key = keys.read_signing_key("env:K", {"K": private})
    _confirm_hidden(repr(key), [private])
    assert key.public.hint in repr(key)


def _confirm_hidden(message: str, secrets: Sequence[str]) -> None:
    assert "\n" not in message
    for secret in secrets:
        for line in filter(None, secret.splitlines()):
            if not line.startswith("-----"):
                assert line not in message
