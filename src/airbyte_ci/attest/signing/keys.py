"""Keys: reads them from files and variables, signs and verifies with ECDSA P-256.

`cryptography` is imported only when a key is used. No message contains a key, a passphrase or a part of them.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airbyte_ci.attest.signing import base64_text
from airbyte_ci.errors import SignatureError

if TYPE_CHECKING:  # slow to import, and most commands neither sign nor verify
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

# The variable with the passphrase of an encrypted private key.
PASSPHRASE = "AIRBYTE_CI_SIGN_PASSPHRASE"
_VARIABLE = "env:"
_CURVE = "secp256r1"
_MAKE = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.pem"
_PUBLIC = "openssl pkey -in signing.pem -pubout -out signing.pub"
# Names of variables; a longer text is probably a key that was given in place of the name.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")
# A line of base64, which is probably a key that was given in place of its file.
_BASE64 = re.compile(r"[A-Za-z0-9+/=]{48,}")
# A larger file is not a key.
_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key. `hint` names it in signatures as cosign does: base64 of the SHA-256 of its DER form."""

    key: "EllipticCurvePublicKey"
    hint: str

    def accepts(self, signature: bytes, message: bytes) -> bool:
        """Returns whether the signature of the message was made with this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        try:
            self.key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key. Signatures are deterministic (RFC 6979): signing again gives the same bytes."""

    key: "EllipticCurvePrivateKey"
    public: VerifyingKey

    def sign(self, message: bytes) -> bytes:
        """Returns the signature in DER form."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        return self.key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    def __repr__(self) -> str:
        return f"SigningKey({self.public.hint})"


def read_signing_key(place: str, environment: Mapping[str, str]) -> SigningKey:
    """Reads a private key: a PEM file, or `env:NAME` for a variable with one. Raises SignatureError.

    An encrypted PKCS#8 key needs its passphrase in the variable AIRBYTE_CI_SIGN_PASSPHRASE.
    """
    data = _read(place, environment)
    doing = f"cannot read the signing key {place}"
    _refuse_encrypted_by_cosign(data, doing)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    passphrase = environment.get(PASSPHRASE, "")
    is_encrypted = b"ENCRYPTED" in data
    if is_encrypted and not passphrase:
        raise SignatureError(f"{doing}: it is encrypted", advice=f"set its passphrase in {PASSPHRASE}")
    try:
        key = serialization.load_pem_private_key(data, passphrase.encode() if is_encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause may quote the key, so it is not shown.
        if is_encrypted:
            message = f"{doing}: the passphrase in {PASSPHRASE} does not open it"
            raise SignatureError(message, advice=f"correct {PASSPHRASE}") from None
        found = "it is a public key" if b"PUBLIC KEY" in data else "it is not a private key in PEM form"
        raise SignatureError(f"{doing}: {found}", advice=f"create one: {_MAKE}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != _CURVE:
        raise SignatureError(f"{doing}: it is not an ECDSA key on the curve P-256", advice=f"create one: {_MAKE}")
    return SigningKey(key, _verifying(key.public_key()))


def read_verifying_key(place: str, environment: Mapping[str, str]) -> VerifyingKey:
    """Reads a public key: a PEM file, or `env:NAME` for a variable with one. Raises SignatureError."""
    data = _read(place, environment)
    doing = f"cannot read the key {place}"
    if b"PRIVATE KEY" in data:
        raise SignatureError(
            f"{doing}: it is a private key, which only the publisher needs",
            advice=f"name the public key: {_PUBLIC}",
        )
    return parse_verifying_key(data, doing)


def parse_verifying_key(data: bytes, doing: str) -> VerifyingKey:
    """Parses a public key in PEM form; raises SignatureError that begins with `doing`."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SignatureError(f"{doing}: it is not a public key in PEM form", advice=_PUBLIC) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _CURVE:
        raise SignatureError(f"{doing}: it is not an ECDSA key on the curve P-256", advice=f"create one: {_MAKE}")
    return _verifying(key)


def _verifying(key: "EllipticCurvePublicKey") -> VerifyingKey:
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    der = key.public_bytes(serialization.Encoding.DER, form)
    return VerifyingKey(key, base64_text.encode(hashlib.sha256(der).digest()))


def _read(place: str, environment: Mapping[str, str]) -> bytes:
    if place.startswith(_VARIABLE):
        name = place.removeprefix(_VARIABLE)
        # A key that was pasted in place of a variable's name must not be printed.
        if not _NAME.fullmatch(name):
            raise SignatureError("cannot read a key from env:…: the text after env: is not the name of a variable")
        if not environment.get(name):
            raise SignatureError(f"cannot read the key {place}: the variable {name} is not set")
        # Systems that keep secrets often store line ends as \n.
        return environment[name].replace("\\n", "\n").encode()
    if "PRIVATE KEY" in place or "\n" in place:
        raise SignatureError(
            "cannot read a key: a key was given in place of its file", advice="name a file or env:NAME"
        )
    try:
        with Path(place).open("rb") as file:
            data = file.read(_LIMIT + 1)
    except (OSError, ValueError) as error:
        if "PRIVATE KEY" in place or _BASE64.fullmatch(place):
            message = "cannot read a key: a key was given in place of its file"
            raise SignatureError(message, advice="name a file or env:NAME") from None
        reason = error.strerror if isinstance(error, OSError) else "it is not the path of a file"
        raise SignatureError(f"cannot read the key {place}: {reason}") from error
    if len(data) > _LIMIT:
        raise SignatureError(f"cannot read the key {place}: it has more than {_LIMIT} bytes, so it is not a key")
    return data


def _refuse_encrypted_by_cosign(data: bytes, doing: str) -> None:
    for name in (b"SIGSTORE PRIVATE KEY", b"COSIGN PRIVATE KEY"):
        if name in data:
            raise SignatureError(
                f"{doing}: it is encrypted in cosign's own form, which only cosign reads",
                advice=f"use a key in PKCS#8 form: {_MAKE}",
            )
