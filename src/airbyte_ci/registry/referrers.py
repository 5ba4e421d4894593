"""Artifacts that refer to an image (signatures, SBOMs): the referrers API and its fallback tag.

Knows subjects and artifact types (distribution-spec, "Listing Referrers"), not what artifacts mean.
"""

from typing import Any

from airbyte_ci.errors import BlobNotFound, RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import INDEX, Descriptor, Index, Manifest, canonical_json, parse_json_object
from airbyte_ci.oci.reference import Reference
from airbyte_ci.registry import manifests
from airbyte_ci.registry.api import Api
from airbyte_ci.registry.endpoint import Endpoint
from airbyte_ci.registry.failures import Refused, Transient
from airbyte_ci.registry.transport import Answer

# Other clients may write the fallback tag concurrently; after this many conflicts the push fails.
_ATTEMPTS = 5


def listed(api: Api, place: Endpoint, subject: Digest, artifact_type: str | None) -> tuple[Descriptor, ...]:
    """Returns the manifests whose subject is `subject`, from the API or, if it is not supported, from the tag."""
    entries = _by_api(api, place, subject)
    if entries is None:
        entries = _by_tag(api, place, subject)
    # Registries may filter but need not, so the result is filtered here (OCI-Filters-Applied).
    kept = [item for item in entries if artifact_type in (None, item.get("artifactType"))]
    return tuple(Descriptor.from_json(item, f"the referrers of {subject.short}") for item in kept)


def _by_api(api: Api, place: Endpoint, subject: Digest) -> list[dict[str, Any]] | None:
    url = f"/v2/{place.repository}/referrers/{subject}"
    try:
        found: list[dict[str, Any]] = []
        for document in manifests.pages(api, place, url):
            if document.get("mediaType") != INDEX:
                return None
            found.extend(_entries(document))
        return found
    except Transient:
        raise
    except Refused as error:
        if error.status in (400, 404, 405, 501):
            return None
        raise


def _by_tag(api: Api, place: Endpoint, subject: Digest) -> list[dict[str, Any]]:
    try:
        found = manifests.fetch(api, place, _stand_in(place, subject))
    except BlobNotFound:
        return []
    return _entries(parse_json_object(found.raw, "the list of referrers")) if isinstance(found, Index) else []


def _entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    listed = document.get("manifests")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _stand_in(place: Endpoint, subject: Digest) -> Reference:
    """Returns the tag of the referrers tag schema: the digest with a dash instead of the colon."""
    return Reference(place.registry, place.repository, f"sha256-{subject.hex}")


def has_subject(manifest: Manifest | Index) -> bool:
    return parse_json_object(manifest.raw, "a manifest").get("subject") is not None


def announce(api: Api, place: Endpoint, manifest: Manifest | Index, answer: Answer) -> None:
    """Adds a pushed manifest to its subject's fallback tag, unless the registry maintains referrers itself."""
    document = parse_json_object(manifest.raw, "the manifest")
    subject = document.get("subject")
    if subject is None or answer.headers.get("OCI-Subject"):
        return
    digest = Descriptor.from_json(subject, "the subject").digest
    entry = _entry(manifest, document)
    with api.only_one(f"{place} referrers {digest}"):
        for _ in range(_ATTEMPTS):
            known = _by_tag(api, place, digest)
            if any(item.get("digest") == entry["digest"] for item in known):
                return
            index = Index.parse(_index((*known, entry)), "the list of referrers")
            # The next iteration reads it back, because another process may have written in between.
            manifests.write(api, place, index, str(_stand_in(place, digest).tag))
        if not any(item.get("digest") == entry["digest"] for item in _by_tag(api, place, digest)):
            raise RegistryError(
                f"other clients keep changing the referrers of {digest.short} at {place}", advice="push again"
            )


def _entry(manifest: Manifest | Index, document: dict[str, Any]) -> dict[str, Any]:
    entry = manifest.descriptor.to_json()
    config = document.get("config")
    config_type = config.get("mediaType") if isinstance(config, dict) else None
    artifact_type = document.get("artifactType") or config_type
    if artifact_type:
        entry["artifactType"] = artifact_type
    if manifest.annotations:
        entry["annotations"] = dict(manifest.annotations)
    return entry


def _index(entries: tuple[dict[str, Any], ...]) -> bytes:
    ordered = sorted(entries, key=lambda item: str(item.get("digest")))
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": ordered})
