"""Sigstore bundles v0.3: an envelope and what is needed to verify it, as one JSON document.

Field names and rules: sigstore/protobuf-specs, sigstore_bundle.proto. Only bundles of a public key are verified here;
those with a certificate (keyless) need sigstore's own tools.
"""

from dataclasses import dataclass

from airbyte_ci.attest.signing.dsse import Envelope, read_fields
from airbyte_ci.attest.signing.keys import VerifyingKey
from airbyte_ci.errors import ImageError, SignatureError
from airbyte_ci.oci.image import canonical_json, parse_json_object

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
# Every version of bundles; a later one has the same prefix.
ANY_BUNDLE = "application/vnd.dev.sigstore.bundle"
# Annotations of the manifest that carries a bundle, as sigstore's own tools write them.
CONTENT = "dev.sigstore.bundle.content"
PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"
_ENVELOPE_CONTENT = "dsse-envelope"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signed envelope. `hint` names the public key; it is empty if a certificate identifies the signer."""

    envelope: Envelope
    hint: str

    @property
    def is_keyless(self) -> bool:
        return not self.hint

    def to_bytes(self) -> bytes:
        """Returns the document, compact and with all fields that any verifier requires."""
        document = {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": self.hint}, "tlogEntries": []},
            "dsseEnvelope": self.envelope.to_json(),
        }
        return canonical_json(document)

    def confirm(self, key: VerifyingKey) -> None:
        """Raises SignatureError unless the key signed the envelope, and every other part of the bundle agrees."""
        if self.is_keyless:
            raise SignatureError("it is signed with a certificate and not with a key", advice="cosign verify")
        if self.hint != key.hint or self.envelope.keyid not in ("", key.hint):
            raise SignatureError("it is signed with another key")
        if not self.envelope.is_signed_with(key):
            raise SignatureError("its signature does not match its content")


def annotations(predicate_type: str) -> dict[str, str]:
    """Returns the annotations of a bundle's manifest, by which registries and tools list it."""
    return {CONTENT: _ENVELOPE_CONTENT, PREDICATE_TYPE: predicate_type}


def parse_bundle(raw: bytes, what: str) -> Bundle:
    """Parses a bundle; raises SignatureError that begins with `what`."""
    try:
        document = parse_json_object(raw, what)
        optional = ("messageSignature", "dsseEnvelope")
        fields = read_fields(document, "bundle", required=("mediaType", "verificationMaterial"), optional=optional)
        if fields["mediaType"] != BUNDLE:
            raise ValueError(f"its media type {fields['mediaType']!r:.60} is not {BUNDLE}")
        if "dsseEnvelope" not in fields or "messageSignature" in fields:
            raise ValueError("it signs a message and not an attestation")
        return Bundle(Envelope.from_json(fields["dsseEnvelope"]), _hint(fields["verificationMaterial"]))
    except (ValueError, ImageError) as error:
        reason = error.message if isinstance(error, ImageError) else f"{what} is not a sigstore bundle: {error}"
        raise SignatureError(reason) from error


def _hint(material: object) -> str:
    optional = ("publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData")
    fields = read_fields(material, "verificationMaterial", required=(), optional=optional)
    if "publicKey" not in fields:
        if "certificate" in fields or "x509CertificateChain" in fields:
            return ""
        raise ValueError("its verificationMaterial names no signer")
    hint = read_fields(fields["publicKey"], "publicKey", required=("hint",))["hint"]
    if not isinstance(hint, str) or not hint:
        raise ValueError("its publicKey has no hint")
    return hint
