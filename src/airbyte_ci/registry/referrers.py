"""Artifacts that refer to an image (signatures, SBOMs): the referrers API and its fallback tag.

Knows subjects and artifact types (distribution-spec, "Listing Referrers"), not what artifacts mean.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from airbyte_ci.errors import BlobNotFound, RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import INDEX, Descriptor, Index, Manifest, canonical_json, parse_json_object
from airbyte_ci.oci.reference import Reference
from airbyte_ci.records import dataclass
from airbyte_ci.registry import manifests
from airbyte_ci.registry.api import Api
from airbyte_ci.registry.endpoint import Endpoint
from airbyte_ci.registry.failures import Refused, Transient
from airbyte_ci.registry.options import SMALL_BLOB
from airbyte_ci.registry.parallel import each
from airbyte_ci.registry.shared_blobs import SharedBlobs
from airbyte_ci.registry.transport import Answer, RequestBody
from airbyte_ci.registry.upload import Uploader

# Other clients may write the fallback tag concurrently; after this many conflicts the push fails.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class SmallBlob:
    """A blob in memory."""

    descriptor: Descriptor
    content: bytes


@dataclass(frozen=True, slots=True)
class Artifact:
    """A manifest with a subject, and its blobs: those in memory, and `more` that are sent before."""

    manifest: Manifest
    blobs: tuple[SmallBlob, ...]
    more: tuple[Descriptor, ...] = ()


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that a registry lists for a subject; its descriptor has the annotations that the registry shows."""

    descriptor: Descriptor
    artifact_type: str


def listed(api: Api, place: Endpoint, subject: Digest, artifact_type: str | None) -> tuple[Descriptor, ...]:
    """Returns the manifests whose subject is `subject`, from the API or, if it is not supported, from the tag."""
    # Registries may filter but need not, so the result is filtered here (OCI-Filters-Applied).
    found = find_all(api, place, subject)
    return tuple(item.descriptor for item in found if artifact_type in (None, item.artifact_type))


def find_all(api: Api, place: Endpoint, subject: Digest) -> tuple[Referrer, ...]:
    """Returns all manifests whose subject is `subject`, with their types."""
    entries = _by_api(api, place, subject)
    if entries is None:
        entries = _by_tag(api, place, subject)
    what = f"the referrers of {subject.short}"
    return tuple(Referrer(Descriptor.from_json(item, what), str(item.get("artifactType") or "")) for item in entries)


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
    _list_under_tag(api, place, digest, [_entry(manifest, document)])


def attach(
    api: Api,
    uploader: Uploader,
    place: Endpoint,
    subject: Digest,
    artifacts: Sequence[Artifact],
    send_more: Callable[[Sequence[Descriptor]], None],
    shared: SharedBlobs,
    *,
    is_new: bool = False,
) -> int:
    """Pushes artifacts about `subject`, and confirms that the registry lists them; returns how many were new.

    `send_more` sends blobs that are not in memory, and `shared` are the blobs of other pushes of the same command.
    Artifacts that the registry lists already are not sent again; it is not asked for those of a subject that `is_new`.
    Raises RegistryError if it does not list one afterwards.
    """
    known = set() if is_new else {item.descriptor.digest for item in find_all(api, place, subject)}
    new = [item for item in artifacts if item.manifest.digest not in known]
    if not new:
        return 0
    blobs = {blob.descriptor.digest: blob for item in new for blob in item.blobs}

    def send(blob: SmallBlob, _stop: threading.Event) -> None:
        digest = blob.descriptor.digest
        with shared.turn(place, digest) as known_at, api.only_one(f"{place} {digest}"):
            # A new document is most likely missing, and to send a small one costs less than to ask.
            is_small = blob.descriptor.size <= SMALL_BLOB
            if known_at != place and (is_small or not uploader.present(place, digest)):
                uploader.send(place, blob.descriptor, RequestBody(blob.descriptor.size, lambda: iter([blob.content])))

    unlisted: list[Manifest] = []

    def write(item: Artifact, _stop: threading.Event) -> None:
        answer = manifests.write(api, place, item.manifest, str(item.manifest.digest))
        if not answer.headers.get("OCI-Subject"):
            unlisted.append(item.manifest)

    each(blobs.values(), api.options.concurrency, send)
    send_more([blob for item in new for blob in item.more])
    each(new, api.options.concurrency, write)
    if unlisted:
        entries = [_entry(item, parse_json_object(item.raw, "the manifest")) for item in unlisted]
        _list_under_tag(api, place, subject, entries)
    known = {item.descriptor.digest for item in find_all(api, place, subject)}
    missing = [item for item in new if item.manifest.digest not in known]
    if missing:
        raise RegistryError(
            f"{place.registry} does not list {len(missing)} of {len(new)} attachments of {subject.short}",
            advice="use a registry that keeps referrers (OCI distribution 1.1), or a tag with their list",
            error_id="attachments-not-listed",
        )
    return len(new)


def _list_under_tag(api: Api, place: Endpoint, subject: Digest, entries: Sequence[dict[str, Any]]) -> None:
    """Adds the entries to the fallback tag, and reads it back until it has all of them."""
    with api.only_one(f"{place} referrers {subject}"):
        for _ in range(_ATTEMPTS):
            known = _by_tag(api, place, subject)
            missing = _missing(entries, known)
            if not missing:
                return
            index = Index.parse(_index((*known, *missing)), "the list of referrers")
            # The next iteration reads it back, because another process may have written in between.
            manifests.write(api, place, index, str(_stand_in(place, subject).tag))
        if _missing(entries, _by_tag(api, place, subject)):
            raise RegistryError(
                f"other clients keep changing the referrers of {subject.short} at {place}", advice="push again"
            )


def _missing(entries: Sequence[dict[str, Any]], known: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    digests = {item.get("digest") for item in known}
    return [item for item in entries if item["digest"] not in digests]


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
