"""A release as published is accepted; the sources of its inputs are irrelevant."""

from pathlib import Path

from airbyte_ci.oci.store.store import Store
from tests.attest import releases
from tests.attest.conftest import SignedRelease


def test_a_release_is_accepted_and_built_again(signed: SignedRelease, tmp_path: Path) -> None:
    """With the key and a store that was empty, every check of the index and both platforms succeeds."""
    findings = releases.check(signed.released.address, Store(tmp_path / "store"), key=signed.key, rebuild=True)
    assert releases.failures(findings) == []
    checks = {(item.subject, item.check) for item in findings if item.status == "ok"}
    assert {(subject, "signature") for subject in ("index", "linux/amd64", "linux/arm64")} <= checks
    assert {(subject, "rebuild") for subject in ("linux/amd64", "linux/arm64")} <= checks
    assert len(checks) == len(findings)
