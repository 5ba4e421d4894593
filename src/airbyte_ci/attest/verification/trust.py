"""Trust: which key must have signed the images of a repository, and which attestations they must have."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from airbyte_ci.attest.signing.keys import VerifyingKey, read_verifying_key
from airbyte_ci.attest.statement import COSIGN_SIGN, CYCLONEDX, PROVENANCE, SUMMARY, TEST_RESULT
from airbyte_ci.attest.verification.verify import Demand
from airbyte_ci.config import TrustRule
from airbyte_ci.oci.reference import DEFAULT_REGISTRY, Reference

_KINDS = {
    "signature": COSIGN_SIGN,
    "provenance": PROVENANCE,
    "sbom": CYCLONEDX,
    "test-result": TEST_RESULT,
    "verification": SUMMARY,
}


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """The rules of a configuration or a policy file. Keys are relative to `folder`."""

    rules: Mapping[str, TrustRule]
    folder: Path

    def rule_for(self, reference: Reference) -> TrustRule | None:
        """Returns the rule with the longest pattern that matches the repository."""
        name = f"{reference.registry}/{reference.repository}"
        names = {name, name.removeprefix(f"{DEFAULT_REGISTRY}/")}
        matching = [pattern for pattern in self.rules if any(fnmatchcase(name, pattern) for name in names)]
        return self.rules[max(matching, key=len)] if matching else None

    def demand(self, rule: TrustRule, environment: Mapping[str, str]) -> Demand:
        """Returns the demands of a rule, with its keys read; raises SignatureError."""
        keys = tuple(read_verifying_key(self._place(key), environment) for key in rule.keys)
        return Demand(keys, frozenset(_KINDS[name] for name in rule.require))

    def _place(self, key: str) -> str:
        return key if key.startswith("env:") else str(self.folder / key)


def read_keys(places: tuple[str, ...], environment: Mapping[str, str]) -> tuple[VerifyingKey, ...]:
    """Returns the public keys at these places; raises SignatureError."""
    return tuple(read_verifying_key(place, environment) for place in places)
