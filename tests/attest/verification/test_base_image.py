"""Base images with several attached locks and provenances: anyone may attach one, and the right one is found."""

import pytest

from airbyte_ci.attest import base_provenance
from airbyte_ci.attest.statement import Statement
from airbyte_ci.attest.verification import base_image
from airbyte_ci.attest.verification.evidence import Claim, Evidence
from airbyte_ci.base_images.declaration import declare
from airbyte_ci.base_images.making.lock import PlatformLock, VersionLock
from airbyte_ci.errors import PlanError, SignatureError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Platform

_DOCUMENT = {
    "repository": "localhost/acme/base",
    "version": "1.0.0",
    "changelog": "First",
    "root": {"image": f"acme.example/root@sha256:{'a' * 64}"},
    "platforms": ["linux/amd64"],
}


def _locked(digit: str) -> VersionLock:
    """The lock of a version whose image has this digit as its digest."""
    part = PlatformLock(
        manifest=Digest(digit * 64),
        size=100,
        root=Digest("a" * 64),
        debian=None,
        wheels=(),
        commands=(),
        python="3.11.2",
    )
    return VersionLock(declare.from_document(_DOCUMENT, "x")).with_platform(Platform("linux", "amd64"), part)


RIGHT, WRONG = _locked("1"), _locked("2")
DIGEST = RIGHT.index.digest


def _claim(lock: VersionLock) -> Claim:
    """The unsigned provenance that this lock results in, attached to the right image."""
    *_, attached = base_provenance.write(lock, DIGEST, "2026-01-01T00:00:00Z", "1.0.0")
    return Claim(Statement.parse(attached.content, "x"), None, Digest.of(attached.content))


@pytest.mark.parametrize("damaged", [b"{", b"[]", b"{}", b'{"schema": 1, "platforms": {}, "declaration": 3}'])
def test_a_damaged_lock_does_not_hide_others(damaged: bytes) -> None:
    """The lock that names the image is found after any other; without it, each of the others is a reason."""
    other, right = WRONG.dump().encode(), RIGHT.dump().encode()
    found = base_image.find_lock(DIGEST, Evidence(locks=[damaged, other, right]))
    assert found and found.index.digest == DIGEST
    with pytest.raises(PlanError, match=r"attached to \S+ ?.*; the attached lock of"):
        base_image.find_lock(DIGEST, Evidence(locks=[damaged, other]))
    assert base_image.find_lock(DIGEST, Evidence()) is None


def test_a_wrong_provenance_does_not_hide_others() -> None:
    """Without a key, each provenance is compared with the lock, and one that agrees is sufficient."""
    evidence = Evidence(claims=[_claim(WRONG), _claim(RIGHT)])
    assert "names the lock and all its inputs" in base_image.confirm_provenance(evidence, DIGEST, RIGHT, ())
    with pytest.raises(SignatureError, match="no valid provenance: its provenance has another buildDefinition"):
        base_image.confirm_provenance(Evidence(claims=[_claim(WRONG)]), DIGEST, RIGHT, ())
