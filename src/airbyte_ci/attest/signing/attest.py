"""Signs the documents of a release: a signature of the image or index itself, and an attestation for each document."""

from collections.abc import Sequence

from airbyte_ci.attest.attachment import CREATED_ANNOTATION, Attachment
from airbyte_ci.attest.signing import bundle, dsse
from airbyte_ci.attest.signing.bundle import BUNDLE, Bundle
from airbyte_ci.attest.signing.keys import SigningKey
from airbyte_ci.attest.statement import COSIGN_SIGN, IN_TOTO, SBOM_TYPES, Statement
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import parse_json_object


def sign_documents(
    key: SigningKey, subject: Digest, created: str, documents: Sequence[Attachment]
) -> tuple[Attachment, ...]:
    """Returns the attachments of an image or index: its signature, then the documents and their attestations.

    Statements are replaced by signed ones. SBOMs stay as they are too, because scanners read plain ones. Other
    documents are named by digest in a signed one and stay unsigned.
    """
    signed = [attach_signed(key, Statement(subject, COSIGN_SIGN), created)]
    for document in documents:
        if document.media_type == IN_TOTO:
            statement = Statement.parse(document.content, "the statement")
            signed.append(attach_signed(key, statement, created))
            continue
        signed.append(document)
        if kind := SBOM_TYPES.get(document.media_type):
            signed.append(attach_signed(key, _about(document, kind, subject), created))
    return tuple(signed)


def attach_signed(key: SigningKey, statement: Statement, created: str) -> Attachment:
    """Returns a signed statement as an attachment, in the form of cosign 3."""
    envelope = dsse.sign(key, IN_TOTO, statement.to_bytes())
    content = Bundle(envelope, key.public.hint).to_bytes()
    named = bundle.annotations(statement.predicate_type)
    return Attachment(BUNDLE, BUNDLE, content, {**named, CREATED_ANNOTATION: created})


def _about(document: Attachment, predicate_type: str, digest: Digest) -> Statement:
    return Statement(digest, predicate_type, parse_json_object(document.content, "the SBOM"))
