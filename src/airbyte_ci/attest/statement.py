"""Statements: who (subjects by digest) and what (a predicate of some type), in the form of in-toto.

The form is in-toto/attestation, spec/v1/statement.md. Predicate types are written as cosign's aliases name them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airbyte_ci.attest.attachment import CREATED_ANNOTATION, Attachment
from airbyte_ci.errors import ImageError, SignatureError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import canonical_json, parse_json_object

STATEMENT = "https://in-toto.io/Statement/v1"
IN_TOTO = "application/vnd.in-toto+json"
# The annotation of an unsigned statement's manifest; signed ones have that of their bundle.
PREDICATE_TYPE = "in-toto.io/predicate-type"

COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
CYCLONEDX = "https://cyclonedx.org/bom"
SPDX = "https://spdx.dev/Document"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
SUMMARY = "https://slsa.dev/verification_summary/v1"

CYCLONEDX_JSON = "application/vnd.cyclonedx+json"
SPDX_JSON = "application/spdx+json"
# The media types of SBOMs, which are attached without a statement too, with the predicate types of signed ones.
SBOM_TYPES = {CYCLONEDX_JSON: CYCLONEDX, SPDX_JSON: SPDX}


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim about one image or index. `name` is the subject's address for people; verifiers compare the digest."""

    subject: Digest
    predicate_type: str
    predicate: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def to_bytes(self) -> bytes:
        subject: dict[str, Any] = {"digest": {"sha256": self.subject.hex}}
        if self.name:
            subject["name"] = self.name
        return canonical_json(
            {
                "_type": STATEMENT,
                "subject": [subject],
                "predicateType": self.predicate_type,
                "predicate": dict(self.predicate),
            }
        )

    @classmethod
    def parse(cls, raw: bytes, what: str) -> "Statement":
        """Parses a statement about one image; raises SignatureError that begins with `what`."""
        try:
            document = parse_json_object(raw, what)
        except ImageError as error:
            raise SignatureError(error.message) from error
        subjects, kind, predicate = (document.get(key) for key in ("subject", "predicateType", "predicate"))
        if document.get("_type") != STATEMENT or not isinstance(kind, str):
            raise SignatureError(f"{what} is not an in-toto statement")
        if not isinstance(subjects, list) or len(subjects) != 1 or not isinstance(subjects[0], dict):
            raise SignatureError(f"{what} must have exactly one subject")
        digests, name = subjects[0].get("digest"), subjects[0].get("name") or ""
        sha256 = digests.get("sha256") if isinstance(digests, dict) else None
        if not isinstance(sha256, str) or not isinstance(name, str):
            raise SignatureError(f"{what} has a subject without a sha256 digest")
        try:
            subject = Digest.parse(f"sha256:{sha256}")
        except ImageError as error:
            raise SignatureError(f"{what} has an invalid subject: {error.message}") from error
        return cls(subject, kind, predicate if isinstance(predicate, dict) else {}, name)


def attach_plain(statement: Statement, created: str) -> Attachment:
    """Returns an unsigned statement as an attachment."""
    annotations = {PREDICATE_TYPE: statement.predicate_type, CREATED_ANNOTATION: created}
    return Attachment(IN_TOTO, IN_TOTO, statement.to_bytes(), annotations)
