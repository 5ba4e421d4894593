"""DSSE envelopes: a payload, its type, and signatures over both (secure-systems-lab/dsse, protocol.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airbyte_ci.attest.signing import base64_text
from airbyte_ci.attest.signing.keys import SigningKey, VerifyingKey


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Returns the bytes that are signed (PAE): payload and type with their lengths, so that neither can be moved."""
    kind = payload_type.encode()
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload))


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with one signature. `keyid` is the hint of the key; verifiers may ignore it."""

    payload_type: str
    payload: bytes
    signature: bytes
    keyid: str = ""

    def is_signed_with(self, key: VerifyingKey) -> bool:
        return key.accepts(self.signature, pre_authentication_encoding(self.payload_type, self.payload))

    def to_json(self) -> dict[str, Any]:
        signature = {"sig": base64_text.encode(self.signature)} | ({"keyid": self.keyid} if self.keyid else {})
        return {
            "payload": base64_text.encode(self.payload),
            "payloadType": self.payload_type,
            "signatures": [signature],
        }

    @classmethod
    def from_json(cls, document: object) -> "Envelope":
        """Parses an envelope with exactly one signature; raises ValueError."""
        fields = read_fields(document, "dsseEnvelope", required=("payload", "payloadType", "signatures"))
        signatures = fields["signatures"]
        if not isinstance(signatures, list) or len(signatures) != 1:
            raise ValueError("its envelope must have exactly one signature")
        signature = read_fields(signatures[0], "signature", required=("sig",), optional=("keyid",))
        payload_type, keyid = fields["payloadType"], signature.get("keyid", "")
        if not isinstance(payload_type, str) or not isinstance(keyid, str):
            raise ValueError("its envelope has a field that is not text")
        payload, sig = base64_text.decode(fields["payload"]), base64_text.decode(signature["sig"])
        return cls(payload_type, payload, sig, keyid)


def sign(key: SigningKey, payload_type: str, payload: bytes) -> Envelope:
    """Returns the signed payload."""
    signature = key.sign(pre_authentication_encoding(payload_type, payload))
    return Envelope(payload_type, payload, signature, key.public.hint)


def read_fields(
    document: object, what: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """Returns an object's fields; raises ValueError if a required one is missing or an unknown one exists."""
    if not isinstance(document, dict):
        raise ValueError(f"its {what} is not an object")
    if missing := [name for name in required if name not in document]:
        raise ValueError(f"its {what} has no {missing[0]}")
    if unknown := sorted(document.keys() - {*required, *optional}):
        raise ValueError(f"its {what} has the unknown field {unknown[0]!r:.40}")
    return document
