"""Blobs from a registry: streamed, resumed after interruptions, verified. Knows nothing of manifests."""

import hashlib
import re
import threading
from collections.abc import Iterator

from airbyte_ci.errors import DigestMismatch
from airbyte_ci.oci.digest import CHUNK
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.api import Api, Call, pull_scope
from airbyte_ci.registry.endpoint import Endpoint
from airbyte_ci.registry.failures import Refused, Transient
from airbyte_ci.registry.options import BlobProgress
from airbyte_ci.registry.parallel import Cancelled
from airbyte_ci.registry.transport import Answer, int_header

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z")


def pull(
    api: Api,
    reference: Reference,
    descriptor: Descriptor,
    store: Store,
    stop: threading.Event | None = None,
) -> None:
    """Downloads a blob into the store from the first endpoint that has it intact."""
    api.first(reference, lambda place: _pull_from(api, place, descriptor=descriptor, store=store, stop=stop))


def _pull_from(api: Api, place: Endpoint, descriptor: Descriptor, store: Store, stop: threading.Event | None) -> None:
    try:
        with store.writer(expected=descriptor.digest, size=descriptor.size) as writer:
            for chunk in stream(api, place, descriptor):
                if stop and stop.is_set():
                    raise Cancelled
                writer.write(chunk)
                api.options.tell(
                    BlobProgress(
                        "downloading", str(place), digest=descriptor.digest, done=writer.size, total=descriptor.size
                    )
                )
    except DigestMismatch as error:
        raise _lie(place, descriptor, error.message) from error


def verified(api: Api, place: Endpoint, descriptor: Descriptor) -> Iterator[bytes]:
    """Yields a blob's bytes as they arrive; raises DigestMismatch at the end if they are wrong."""
    hasher = hashlib.sha256()
    for chunk in stream(api, place, descriptor):
        hasher.update(chunk)
        yield chunk
    if hasher.hexdigest() != descriptor.digest.hex:
        raise _lie(place, descriptor, f"received sha256:{hasher.hexdigest()}")


def stream(api: Api, place: Endpoint, descriptor: Descriptor) -> Iterator[bytes]:
    """Yields exactly as many bytes as the descriptor states, over as many requests as necessary."""
    received, attempt, ranges = 0, 1, True
    while received < descriptor.size:
        before = received
        try:
            for chunk in _from_offset(
                api, place, descriptor=descriptor, asked=received if ranges else 0, wanted=received
            ):
                received += len(chunk)
                yield chunk
            if received < descriptor.size:
                raise Transient(_short(place, descriptor, received))
        except _RangeRefused:
            ranges = False
        except Transient as error:
            # A connection that keeps breaking but makes progress is worth continuing.
            attempt = 1 if received - before >= CHUNK else attempt
            api.retry.pause(attempt, error)
            attempt += 1


class _RangeRefused(Exception):
    """The server does not support the requested offset; the whole blob may still be available."""


def _from_offset(api: Api, place: Endpoint, descriptor: Descriptor, asked: int, wanted: int) -> Iterator[bytes]:
    """Yields the bytes from `wanted` on, from an answer that was requested from `asked` on."""
    headers = {"Range": f"bytes={asked}-"} if asked else {}
    call = Call(
        endpoint=place,
        method="GET",
        url=f"/v2/{place.repository}/blobs/{descriptor.digest}",
        scopes=(pull_scope(place),),
        expected=(200, 206) if asked else (200,),
        headers=headers,
    )
    try:
        answer = api.once(call)
    except Refused as error:
        if asked and error.status == 416:
            raise _RangeRefused from None
        raise
    with answer:
        # 200 means that the range was ignored: the blob is sent from its start, and known bytes are skipped.
        begin = _range_begin(answer, descriptor, asked, place) if answer.status == 206 else 0
        skip = wanted - begin
        if answer.status == 200:
            _check_length(answer, descriptor, place)
        left = descriptor.size - wanted
        for chunk in answer.chunks():
            piece = chunk[skip:] if skip else chunk
            skip = max(0, skip - len(chunk))
            if len(piece) > left:
                raise _lie(place, descriptor, f"received more than {descriptor.size} bytes")
            if piece:
                left -= len(piece)
                yield piece


def _range_begin(answer: Answer, descriptor: Descriptor, asked: int, place: Endpoint) -> int:
    """Returns the start of a partial answer, which must state it: Accept-Ranges is not reliable (RFC 9110, 14.4)."""
    match = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
    if not match or int(match[1]) != asked:
        raise _RangeRefused
    if match[3] not in ("*", str(descriptor.size)):
        raise _lie(place, descriptor, f"its size is {match[3]} bytes there")
    return asked


def _check_length(answer: Answer, descriptor: Descriptor, place: Endpoint) -> None:
    length = int_header(answer.headers, "Content-Length", descriptor.size)
    if length != descriptor.size and not answer.headers.get("Content-Encoding"):
        raise _lie(place, descriptor, f"its size is {length} bytes there")


def _short(place: Endpoint, descriptor: Descriptor, received: int) -> str:
    sizes = f"{received} of {descriptor.size} bytes"
    return f"{place.registry} sent {sizes} of {descriptor.digest.short}"


def _lie(place: Endpoint, descriptor: Descriptor, what: str) -> DigestMismatch:
    return DigestMismatch(
        f"{place.registry} sent different content for {descriptor.digest.short} ({descriptor.size} bytes): {what}",
        advice="the registry or a proxy changes the content; do not use it",
        error_id="registry-wrong-content",
    )
