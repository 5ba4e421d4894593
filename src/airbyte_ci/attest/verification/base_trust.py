"""Confirms base images before they are used: signed with a key of the policy, and with the required attestations.

A result is remembered under the image's digest, the keys and the requirements, so later builds ask no registry.
"""

from collections.abc import Mapping

from airbyte_ci.attest.statement import COSIGN_SIGN
from airbyte_ci.attest.verification import claims, evidence
from airbyte_ci.attest.verification.trust import TrustPolicy
from airbyte_ci.attest.verification.verify import Demand
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, RegistryError, SignatureError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import action_key
from airbyte_ci.python.environment.tools import Tools

_VERSION = 1


def confirm(reference: Reference, policy: TrustPolicy, tools: Tools, environment: Mapping[str, str]) -> None:
    """Raises SignatureError unless the base image meets the policy's rule for its repository, if there is one."""
    rule = policy.rule_for(reference)
    if rule is None:
        return
    demand = policy.demand(rule, environment)
    assert reference.digest is not None
    keys = sorted(key.hint for key in demand.keys)
    inputs = {"digest": str(reference.digest), "keys": keys, "required": sorted(demand.required)}
    key = action_key("trusted base image", _VERSION, inputs)
    if tools.store.recall(key):
        return
    tools.say("verifying the base image")
    try:
        _confirm(reference, reference.digest, demand, tools)
    except (SignatureError, RegistryError, BlobNotFound) as error:
        raise _refused(reference, error) from error
    tools.store.remember(key, {"verified": True})


def _refused(reference: Reference, error: AirbyteCiError) -> SignatureError:
    return SignatureError(
        f"cannot use the base image {reference}: `trust` in the configuration requires proof: {error.message}",
        advice=f"airbyte-ci verify {reference}",
    )


def _confirm(reference: Reference, digest: Digest, demand: Demand, tools: Tools) -> None:
    """Confirms the manifest that the address names, as cosign does; attestations may be about its images instead."""
    place = reference.at(digest)
    found = evidence.collect(tools.registries, place, tools.store, tools.executor)
    if COSIGN_SIGN in demand.required:
        claims.prove_signature(found, digest, demand.keys)
    for kind in sorted(demand.required - {COSIGN_SIGN}):
        if any(found.of_type(kind)):
            claims.prove(found, kind, digest, demand.keys)
            continue
        for image in _images(place, tools):
            about = place.at(image)
            own = evidence.collect(tools.registries, about, tools.store, tools.executor)
            claims.prove(own, kind, image, demand.keys)


def _images(place: Reference, tools: Tools) -> list[Digest]:
    root = tools.registries.manifest(place)
    return [item.digest for item in root.manifests] if isinstance(root, Index) else [root.digest]
