"""Bundles are the same bytes each time; independent verifiers accept them, and no changed byte is accepted."""

import json

import pytest
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._key import SSlibKey

from airbyte_ci.attest.signing import attest, dsse, keys
from airbyte_ci.attest.signing.bundle import BUNDLE, parse_bundle
from airbyte_ci.attest.signing.keys import SigningKey
from airbyte_ci.attest.statement import COSIGN_SIGN, IN_TOTO, PROVENANCE, Statement
from airbyte_ci.errors import SignatureError
from airbyte_ci.oci.digest import Digest
from tests.attest.releases import openssl, public_pem

_SUBJECT = Digest.of(b"an image")


@pytest.fixture(scope="module")
def key() -> SigningKey:
    made = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    return keys.read_signing_key("env:K", {"K": made})


@pytest.fixture(scope="module")
def content(key: SigningKey) -> bytes:
    statement = Statement(_SUBJECT, PROVENANCE, {"text": "ünïcode", "number": 1}, "registry.example/acme/source-x")
    return attest.attach_signed(key, statement, "2026-01-01T00:00:00Z").content


@pytest.mark.parametrize(
    ("kind", "payload", "encoded"),
    [
        ("http://example.com/HelloWorld", b"hello world", b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"),
        ("", b"", b"DSSEv1 0  0 "),
        ("é", "é".encode(), "DSSEv1 2 é 2 é".encode()),
    ],
)
def test_the_encoding_is_that_of_the_specification(kind: str, payload: bytes, encoded: bytes) -> None:
    """The signed bytes are those of the specification's example; lengths count bytes, not characters."""
    assert dsse.pre_authentication_encoding(kind, payload) == encoded


def test_signing_again_gives_the_same_bytes(key: SigningKey, content: bytes) -> None:
    """Equal statements have equal bundles, so a second publish pushes nothing."""
    statement = Statement(_SUBJECT, PROVENANCE, {"number": 1, "text": "ünïcode"}, "registry.example/acme/source-x")
    assert attest.attach_signed(key, statement, "2026-01-01T00:00:00Z").content == content


def test_the_form_is_that_of_cosign(key: SigningKey) -> None:
    """A signature of an image has cosign's predicate, one subject without a name, and the fields of bundles v0.3."""
    signed = attest.attach_signed(key, Statement(_SUBJECT, COSIGN_SIGN), "2026-01-01T00:00:00Z")
    document = json.loads(signed.content)
    assert document["verificationMaterial"] == {"publicKey": {"hint": key.public.hint}, "tlogEntries": []}
    envelope = dsse.Envelope.from_json(document["dsseEnvelope"])
    assert json.loads(envelope.payload) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": _SUBJECT.hex}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    }
    assert signed.artifact_type == signed.media_type == document["mediaType"] == BUNDLE
    assert signed.annotations == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
        "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
    }


def test_securesystemslib_accepts_the_envelope(key: SigningKey, content: bytes) -> None:
    """An independent DSSE verifier accepts the envelope with the key, and refuses it with a changed payload."""

    def read(**changes: object) -> OtherEnvelope:
        return OtherEnvelope.from_dict({**json.loads(content)["dsseEnvelope"], **changes})

    public = SSlibKey(key.public.hint, "ecdsa", "ecdsa-sha2-nistp256", {"public": public_pem(key)})
    assert read().verify([public], 1)
    changed = read(payloadType="application/vnd.in-toto+jsom")
    with pytest.raises(VerificationError):
        changed.verify([public], 1)


def test_no_changed_byte_is_accepted(key: SigningKey, content: bytes) -> None:
    """A bundle with any one byte changed, in a bit or in its case, is refused: nothing in it is ignored."""
    parse_bundle(content, "the bundle").confirm(key.public)
    for place in range(len(content)):
        for mask in (0x01, 0x20):
            changed = bytearray(content)
            changed[place] ^= mask
            with pytest.raises(SignatureError):
                parse_bundle(bytes(changed), "the bundle").confirm(key.public)


def _edit(content: bytes, edit: str) -> bytes:
    document = json.loads(content)
    exec(edit, {"d": document})
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "edit",
    [
        "d['mediaType'] = 'application/vnd.dev.sigstore.bundle+json;version=0.1'",
        "d['extra'] = 1",
        "d['dsseEnvelope']['signatures'] *= 2",
        "d['dsseEnvelope']['signatures'] = []",
        "d['dsseEnvelope'].pop('payload')",
        "d['dsseEnvelope']['payload'] = d['dsseEnvelope']['payload'].rstrip('=') + ' '",
        "d['dsseEnvelope']['payload'] = 1",
        "d['dsseEnvelope'] = None",
        "d['messageSignature'] = d.pop('dsseEnvelope')",
        "d['verificationMaterial'] = {}",
        "d['verificationMaterial'] = []",
        "d['verificationMaterial']['publicKey'] = {}",
        "d['verificationMaterial'] = {'certificate': {'rawBytes': ''}}",
    ],
)
def test_another_form_is_refused(key: SigningKey, content: bytes, edit: str) -> None:
    """A document that is not exactly one signed statement of one key is refused in one line."""
    with pytest.raises(SignatureError) as failure:
        parse_bundle(_edit(content, edit), "the bundle").confirm(key.public)
    assert "\n" not in str(failure.value)


def test_white_space_and_order_do_not_matter(key: SigningKey, content: bytes) -> None:
    """A bundle as another tool writes it, with other white space and order, is accepted."""
    shuffled = json.dumps(dict(reversed(json.loads(content).items())), indent=2).encode()
    parse_bundle(shuffled, "the bundle").confirm(key.public)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"digest":{"sha256":"00"}}],"predicateType":"x"}',
        b'{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x"}',
        b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"../x"}}],"predicateType":"x"}',
        b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha512":"00"}}],"predicateType":"x"}',
        b'{"_type":"https://in-toto.io/Statement/v1","subject":["x"],"predicateType":1}',
    ],
)
def test_what_is_not_a_statement_is_refused(raw: bytes) -> None:
    """A payload that is not a statement about one image by its sha256 is refused in one line."""
    with pytest.raises(SignatureError, match="the statement"):
        Statement.parse(raw, "the statement")


def test_documents_are_attested_and_stay(key: SigningKey) -> None:
    """Statements are replaced by signed ones, SBOMs stay next to signed ones, and other documents stay."""
    from airbyte_ci.attest.attachment import Attachment
    from airbyte_ci.attest.statement import attach_plain

    sbom = Attachment("application/vnd.cyclonedx+json", "application/vnd.cyclonedx+json", b'{"bomFormat":"CycloneDX"}')
    other = Attachment("application/vnd.airbyte-ci.build-plan.v1+json", "application/json", b"{}")
    plain = attach_plain(Statement(_SUBJECT, PROVENANCE, {"a": 1}), "2026-01-01T00:00:00Z")
    assert plain.media_type == IN_TOTO
    signed = attest.sign_documents(key, _SUBJECT, "2026-01-01T00:00:00Z", (plain, sbom, other))
    kinds = [item.annotations.get("dev.sigstore.bundle.predicateType", item.artifact_type) for item in signed]
    assert kinds == [COSIGN_SIGN, PROVENANCE, sbom.artifact_type, "https://cyclonedx.org/bom", other.artifact_type]
    for item in signed:
        if item.artifact_type == BUNDLE:
            bundle = parse_bundle(item.content, "the bundle")
            bundle.confirm(key.public)
            assert Statement.parse(bundle.envelope.payload, "the statement").subject == _SUBJECT
