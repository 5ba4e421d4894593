"""Manifests and tags: verified reads and confirmed writes. Knows nothing of blobs."""

import re
from collections.abc import Iterator
from dataclasses import replace

from airbyte_ci.errors import BlobNotFound, DigestMismatch, ImageError, RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import (
    INDEXES,
    MANIFEST_LIMIT,
    MANIFESTS,
    Descriptor,
    Index,
    Manifest,
    parse_json_object,
    parse_manifest,
)
from airbyte_ci.oci.reference import Reference
from airbyte_ci.registry.api import Api, Call, pull_scope, push_scope
from airbyte_ci.registry.endpoint import Endpoint
from airbyte_ci.registry.failures import Refused, Transient
from airbyte_ci.registry.links import next_link
from airbyte_ci.registry.transport import Answer, int_header

_ACCEPT = ", ".join((*MANIFESTS, *INDEXES))
_DIGEST = "Docker-Content-Digest"
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z")
_PAGE, _MOST_PAGES = 1000, 10_000
# Answers that mean that HEAD is not supported.
_NO_HEAD = frozenset({400, 405, 501})
# The number of times that a manifest is sent again because the registry says that it has another digest: Debian's
# docker-registry says this when several clients write the same manifest at once.
_DOUBTS = 3


def resolve(api: Api, reference: Reference) -> Descriptor:
    """Returns the descriptor of the reference, by HEAD; by GET if the answer is incomplete."""
    return api.first(reference, lambda place: _head(api, place, reference) or fetch(api, place, reference).descriptor)


def digest_of_tag(api: Api, place: Endpoint, tag: str) -> Digest | None:
    """Returns the digest of a tag in the registry itself, not in its mirrors; None if the tag does not exist."""
    reference = Reference(place.registry, place.repository, tag)
    try:
        found = _head(api, place, reference) or fetch(api, place, reference).descriptor
    except BlobNotFound:
        return None
    return found.digest


def _head(api: Api, place: Endpoint, reference: Reference) -> Descriptor | None:
    try:
        answer = api.send(_call(place, "HEAD", _name(reference)))
    except Transient:
        raise
    except Refused:
        return None  # HEAD has no body, so GET reports the registry's reason
    with answer:
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        size = int_header(answer.headers, "Content-Length", -1)
        digest = _claimed(answer)
    if digest is None or size < 0 or media_type not in (*MANIFESTS, *INDEXES):
        return None
    _check(digest, reference.digest, place)
    return Descriptor(media_type, digest, size)


def read(api: Api, reference: Reference) -> Manifest | Index:
    """Returns the manifest or index from the first endpoint that has it intact."""
    return api.first(reference, lambda place: fetch(api, place, reference))


def fetch(api: Api, place: Endpoint, reference: Reference) -> Manifest | Index:
    """Returns the manifest as its original bytes, with verified size, digest and type."""

    def attempt() -> tuple[bytes, str, Digest | None]:
        with api.once(_call(place, "GET", _name(reference))) as answer:
            return answer.read(MANIFEST_LIMIT), answer.headers.get("Content-Type", ""), _claimed(answer)

    raw, content_type, claimed = api.retry.persist(attempt)
    digest = Digest.of(raw)
    _check(digest, reference.digest, place)
    if reference.digest is None:
        _check(digest, claimed, place)
    return checked_manifest(raw, content_type.partition(";")[0].strip(), f"the manifest of {place}")


def find_tagged(api: Api, place: Endpoint, tag: str) -> Manifest | Index | None:
    """Returns the image or index that a tag points to; None if the tag does not exist or its image is unreadable.

    Asks once, with the token of pushes, because the answer only saves other requests.
    """
    try:
        with api.once(_call(place, "GET", tag, scope=push_scope(place))) as answer:
            raw, content_type = answer.read(MANIFEST_LIMIT), answer.headers.get("Content-Type", "")
        return checked_manifest(raw, content_type.partition(";")[0].strip(), f"the manifest of {place}")
    except (RegistryError, BlobNotFound, ImageError):
        return None


def checked_manifest(raw: bytes, content_type: str, what: str) -> Manifest | Index:
    """Parses a manifest that has only one meaning (GHSA-77vh-xpmg-72qh, GHSA-5j5w-g665-5m35)."""
    document = parse_json_object(raw, what)
    if document.get("schemaVersion") == 1:
        raise ImageError(
            f"{what} has Docker's schema 1, which is not supported", advice="push it again with a current tool"
        )
    if "manifests" in document and ("layers" in document or "config" in document):
        raise ImageError(f"{what} is both an image and an index, which is ambiguous")
    manifest = parse_manifest(raw, what)
    if content_type in (*MANIFESTS, *INDEXES) and content_type != manifest.media_type:
        raise ImageError(f"{what} was sent as {content_type} but its media type is {manifest.media_type}")
    return manifest


def exists(api: Api, place: Endpoint, digest: Digest) -> bool:
    """Returns whether the registry has the manifest with this digest."""
    call = _call(place, "HEAD", str(digest), scope=push_scope(place), expected=(200, 404))
    with send_head(api, call) as answer:
        return answer.status == 200


def send_head(api: Api, call: Call) -> Answer:
    """Returns the answer to HEAD, or to GET if a registry or a proxy refuses HEAD. The caller closes it."""
    try:
        return api.send(call)
    except Refused as error:
        if error.status not in _NO_HEAD:
            raise
    return api.send(replace(call, method="GET"))


def write(api: Api, place: Endpoint, manifest: Manifest | Index, name: str) -> Answer:
    """Writes the manifest under a tag or its digest and confirms it; returns the closed answer."""
    call = Call(
        endpoint=place,
        method="PUT",
        url=f"/v2/{place.repository}/manifests/{name}",
        scopes=(push_scope(place),),
        expected=(200, 201, 202, 204),
        headers={"Content-Type": manifest.media_type},
        body=manifest.raw,
    )
    with api.retry.persist(lambda: api.once(call), doubts=_DOUBTS) as answer:
        digest = _claimed(answer)
    if digest is None:
        digest = fetch(api, place, _named(place, name)).digest
    if digest != manifest.digest:
        raise DigestMismatch(
            f"{place.registry} stored it as {digest.short} instead of {manifest.digest.short}",
            advice="someone else may have pushed the same tag; push again",
        )
    return answer


def is_tag(name: str) -> bool:
    return bool(_TAG.match(name))


def tags(api: Api, place: Endpoint) -> tuple[str, ...]:
    """Returns all tags, page by page, in the registry's order."""
    found: dict[str, None] = {}
    url = f"/v2/{place.repository}/tags/list?n={_PAGE}"
    for document in pages(api, place, url):
        names = document.get("tags") or []
        if not isinstance(names, list):
            raise RegistryError(f"{place.registry} sent an invalid list of tags")
        found.update((name, None) for name in names if isinstance(name, str) and is_tag(name))
    return tuple(found)


def pages(api: Api, place: Endpoint, url: str) -> Iterator[dict[str, object]]:
    """Yields the documents of a list, following `Link: <…>; rel="next"` (RFC 8288) within the registry."""
    seen: set[str] = set()
    address = api.address(place, url)
    while address not in seen and len(seen) < _MOST_PAGES:
        seen.add(address)
        call = Call(endpoint=place, method="GET", url=address, scopes=(pull_scope(place),))
        with api.send(call) as answer:
            document = parse_json_object(answer.read(MANIFEST_LIMIT), f"the list of {place}")
            following = next_link(answer.headers.get("Link", ""))
        yield document
        if not following:
            return
        address = api.address(place, following, address)
    raise RegistryError(f"{place.registry} sends an endless list")


def _call(
    place: Endpoint, method: str, name: str, *, scope: str | None = None, expected: tuple[int, ...] = (200,)
) -> Call:
    return Call(
        endpoint=place,
        method=method,
        url=f"/v2/{place.repository}/manifests/{name}",
        scopes=(scope or pull_scope(place),),
        expected=expected,
        headers={"Accept": _ACCEPT},
    )


def _named(place: Endpoint, name: str) -> Reference:
    reference = Reference(place.registry, place.repository)
    return reference.with_digest(Digest.parse(name)) if ":" in name else reference.with_tag(name)


def _name(reference: Reference) -> str:
    return str(reference.digest or reference.tag or "latest")


def _claimed(answer: Answer) -> Digest | None:
    """Returns the digest that the registry reports; None if it reports none that can be verified."""
    try:
        return Digest.parse(answer.headers.get(_DIGEST, ""))
    except ImageError:
        return None


def _check(digest: Digest, expected: Digest | None, place: Endpoint) -> None:
    if expected is not None and digest != expected:
        raise DigestMismatch(
            f"{place.registry} sent manifest {digest.short} instead of {expected.short}",
            advice="the registry or a proxy changes the content; do not use it",
            error_id="registry-wrong-content",
        )
