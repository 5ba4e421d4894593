"""Finds the claim of a kind that is proven: signed with an accepted key, and about exactly this image."""

from collections.abc import Callable, Sequence

from airbyte_ci.attest.signing import legacy
from airbyte_ci.attest.signing.keys import VerifyingKey
from airbyte_ci.attest.statement import COSIGN_SIGN
from airbyte_ci.attest.verification.evidence import Claim, Evidence
from airbyte_ci.errors import SignatureError
from airbyte_ci.oci.digest import Digest

# The accepted keys; without any, signatures are not verified.
Keys = Sequence[VerifyingKey]
_NAMES = {
    "https://sigstore.dev/cosign/sign/v1": "signature",
    "https://slsa.dev/provenance/v1": "provenance",
    "https://cyclonedx.org/bom": "CycloneDX SBOM",
    "https://spdx.dev/Document": "SPDX SBOM",
    "https://in-toto.io/attestation/test-result/v0.1": "test result",
    "https://slsa.dev/verification_summary/v1": "verification summary",
}


def name_of(predicate_type: str) -> str:
    """Returns the name of a kind of claim for people."""
    return _NAMES.get(predicate_type, predicate_type)


def _accept(_: Claim) -> None:
    """Accepts any content."""


def prove(
    evidence: Evidence,
    predicate_type: str,
    subject: Digest,
    keys: Keys,
    confirm: Callable[[Claim], None] = _accept,
) -> Claim:
    """Returns a claim of this type about the subject; raises SignatureError that says why there is none.

    With keys, one of them must have signed it. Without keys, any claim about the subject is returned. `confirm` raises
    SignatureError for a claim whose content is wrong; anyone may attach such a claim, so the next one is tried.
    """
    errors: list[SignatureError] = []
    for claim in evidence.of_type(predicate_type):
        try:
            _confirm(claim, subject, keys)
            confirm(claim)
            return claim
        except SignatureError as error:
            errors.append(error)
    if errors:
        reasons = dict.fromkeys(error.message for error in errors)
        raise SignatureError(
            f"no valid {name_of(predicate_type)}: {'; '.join(reasons)}",
            error_id=next((error.error_id for error in errors if error.error_id), "signature-wrong"),
        )
    reason = f": {evidence.ignored[0]}" if evidence.ignored else ""
    raise SignatureError(f"no {name_of(predicate_type)} was found{reason}", error_id="signature-missing")


def prove_signature(evidence: Evidence, subject: Digest, keys: Keys) -> str:
    """Returns the hint of the key that signed the image, in the form of cosign 3 or 2; raises SignatureError."""
    if not evidence.legacy:
        claim = prove(evidence, COSIGN_SIGN, subject, keys)
        return claim.bundle.hint if claim.bundle else ""
    reasons = []
    for item in evidence.legacy:
        for key in keys:
            try:
                legacy.confirm(item.layer, item.payload, subject, key)
                return key.hint
            except SignatureError as error:
                reasons.append(error.message)
    raise SignatureError(f"no valid signature: {'; '.join(dict.fromkeys(reasons))}", error_id="signature-wrong")


def _confirm(claim: Claim, subject: Digest, keys: Keys) -> None:
    if claim.statement.subject != subject:
        raise SignatureError(f"it is about {claim.statement.subject.short}, another image")
    if not keys:
        return
    if claim.bundle is None:
        raise SignatureError("it is not signed", error_id="signature-missing")
    failures = []
    for key in keys:
        try:
            claim.bundle.confirm(key)
            return
        except SignatureError as error:
            failures.append(error)
    # A signature of an accepted key that does not match its content says more than that of another key.
    raise max(failures, key=lambda error: "content" in error.message)
