"""Summaries of successful verifications as attestations (SLSA, verification_summary v1)."""

import datetime
from collections.abc import Sequence
from typing import Any

from airbyte_ci.attest.statement import SUMMARY, Statement
from airbyte_ci.attest.verification.finding import ImageFinding
from airbyte_ci.attest.verification.published import PublishedRelease
from airbyte_ci.attest.verification.verify import Demand
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import canonical_json

VERIFIER = "urn:airbyte-ci:verifier:v1"


def make(
    published: PublishedRelease, demand: Demand, findings: Sequence[ImageFinding], moment: datetime.datetime
) -> Statement:
    """Returns the summary of checks that all succeeded, about the index or the single image."""
    policy = {"keys": sorted(key.hint for key in demand.keys), "required": sorted(demand.required)}
    inputs = {str(item.digest): item.digest for item in published.evidence.claims if item.bundle}
    predicate: dict[str, Any] = {
        "verifier": {"id": VERIFIER},
        "timeVerified": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resourceUri": str(published.reference),
        "policy": {
            "uri": "urn:airbyte-ci:policy:v1",
            "digest": {"sha256": Digest.of(canonical_json(policy)).hex},
        },
        "inputAttestations": [{"digest": {"sha256": digest.hex}} for _, digest in sorted(inputs.items())],
        "verificationResult": "PASSED",
        "verifiedLevels": _levels(findings, has_key=bool(demand.keys)),
    }
    return Statement(
        published.digest, SUMMARY, predicate, f"{published.reference.registry}/{published.reference.repository}"
    )


def _levels(findings: Sequence[ImageFinding], *, has_key: bool) -> list[str]:
    """Returns what was verified: signed provenance is SLSA level 1, and a second build is airbyte-ci's own level."""
    done = {item.check for item in findings if item.status == "ok"}
    levels = ["SLSA_BUILD_LEVEL_1"] if has_key and "provenance" in done else []
    return [*levels, *(["AIRBYTE_CI_REBUILT"] if "rebuild" in done else [])]
