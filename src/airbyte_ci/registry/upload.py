"""Uploads one blob to one repository: present, mounted, or sent whole or in chunks (distribution-spec, Push).

Knows the upload protocol, not why the blob is needed.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import field, replace

from airbyte_ci.errors import RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.records import dataclass
from airbyte_ci.registry.api import Api, Call, pull_scope, push_scope
from airbyte_ci.registry.endpoint import Endpoint
from airbyte_ci.registry.failures import WRONG_BYTES, Refused, Transient, as_transient
from airbyte_ci.registry.manifests import send_head
from airbyte_ci.registry.options import SMALL_BLOB, RegistryOptions
from airbyte_ci.registry.transport import Answer, RequestBody, int_header

# The chunk size for servers that require chunks and name no minimum. Kept in memory once per thread;
# divided by four if it is too large for a proxy (many have a limit of 1 MiB), down to the minimum.
_CHUNK = 4 << 20
_LEAST_CHUNK = 64 << 10
_BYTES = "application/octet-stream"
_LARGEST_CHUNK = 16 << 20
# Answers to a whole blob in one PUT that mean that chunks are required; servers and proxies differ.
_WANTS_CHUNKS = frozenset({400, 405, 411, 413, 501})
_WHOLE_ATTEMPTS = 2
# The specification has one status for each step; registries differ, and other clients accept any success.
_ACCEPTED = (200, 201, 202)


@dataclass(frozen=True, slots=True)
class UploadSession:
    """A started upload: its next address, and the minimum size of its chunks."""

    location: str
    least: int = 0


@dataclass(frozen=True, slots=True)
class Mounted:
    """The blob is in the repository, and nothing was sent."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The blob is in the repository, after one request."""


@dataclass(frozen=True, slots=True)
class Uploader:
    """Uploads to the repositories of one client.

    Remembers which hosts need chunks of which size, cannot mount, and need more than one request for a small blob.
    """

    api: Api
    chunks: dict[str, int] = field(default_factory=dict)
    unmountable: set[str] = field(default_factory=set)
    stepwise: set[str] = field(default_factory=set)

    def reporting(self, options: RegistryOptions) -> "Uploader":
        """Returns the same uploader with the progress report of other options."""
        return replace(self, api=self.api.reporting(options))

    def present(self, place: Endpoint, digest: Digest) -> bool:
        """Returns whether the repository has the blob."""
        url = f"/v2/{place.repository}/blobs/{digest}"
        try:
            with send_head(self.api, _call(place, "HEAD", url, (200, 404))) as answer:
                return answer.status == 200
        except Transient:
            raise
        except Refused:
            return (
                False  # Sending it again only costs bytes; if that is not allowed either, the registry reports it then.
            )

    def mount(self, place: Endpoint, digest: Digest, source: Endpoint) -> Mounted | UploadSession | None:
        """Requests to mount the blob from another repository of the registry.

        Any refusal returns the session that came with it, or None. A registry that keeps failing at mounts receives no
        more of them.
        """
        if place.host in self.unmountable:
            return None
        call = Call(
            endpoint=place,
            method="POST",
            url=f"/v2/{place.repository}/blobs/uploads/?mount={digest}&from={source.repository}",
            scopes=(push_scope(place), pull_scope(source)),
            expected=(201, 202),
        )
        try:
            with self.api.send(call) as answer:
                return Mounted() if answer.status == 201 else self._session(place, answer, call.url)
        except Transient as error:
            if error.status < 500:
                raise
            self.unmountable.add(place.host)
            return None
        except Refused:
            return None  # some registries refuse with an error instead of a session

    def abandon(self, place: Endpoint, session: UploadSession) -> None:
        """Ends an unused session; registries that do not support this expire it."""
        try:
            self.api.once(_call(place, "DELETE", session.location, (200, 202, 204))).close()
        except RegistryError:
            return

    def send(
        self, place: Endpoint, descriptor: Descriptor, body: RequestBody, session: UploadSession | None = None
    ) -> None:
        """Sends the blob; if the session or the connection is lost, sends all of it again in a new session."""
        attempts = itertools.count(1)
        sessions = iter([session] if session else [])

        def attempt() -> None:
            # Proxies may break long requests without an error, so the last attempts use chunks.
            chunked = next(attempts) > _WHOLE_ATTEMPTS or place.host in self.chunks
            begun = next(sessions, None) or self._post(place, descriptor, body) or self._begin(place)
            if isinstance(begun, Stored):
                return
            try:
                self._send(place, descriptor, body, begun, chunked=chunked)
            except Transient:
                raise
            except Refused as error:
                raise _lost(error) from None

        self.api.retry.persist(attempt, doubts=1)

    def _post(self, place: Endpoint, descriptor: Descriptor, body: RequestBody) -> "Stored | UploadSession | None":
        """Sends a small blob in one request ("Single POST"), or returns the session that came instead, or None.

        A registry that does not support this answers as to any other beginning, and receives no more of them.
        """
        if descriptor.size > SMALL_BLOB or place.host in self.stepwise or place.host in self.chunks:
            return None
        url = f"/v2/{place.repository}/blobs/uploads/?digest={descriptor.digest}"
        try:
            with self.api.once(_call(place, "POST", url, _ACCEPTED, {"Content-Type": _BYTES}, body)) as answer:
                # Some registries begin an upload with 201 too: only the address of the blob says that it is stored.
                if answer.headers.get("Location", "").endswith(f"/blobs/{descriptor.digest}"):
                    return Stored()
                self.stepwise.add(place.host)
                return self._session(place, answer, url) if answer.status == 202 else None
        except Refused as error:
            if isinstance(error, Transient) and error.status != 500:
                raise
            self.stepwise.add(place.host)
            return None

    def _begin(self, place: Endpoint) -> UploadSession:
        call = _call(place, "POST", f"/v2/{place.repository}/blobs/uploads/", _ACCEPTED)
        with self.api.once(call) as answer:
            return self._session(place, answer, call.url)

    def _send(
        self, place: Endpoint, descriptor: Descriptor, body: RequestBody, session: UploadSession, *, chunked: bool
    ) -> None:
        if not chunked:
            try:
                return self._finish(place, descriptor, session, body)
            except Refused as error:
                wrong_bytes = error.status == 400 and error.code in WRONG_BYTES
                if error.status not in _WANTS_CHUNKS or wrong_bytes:
                    raise
            self.chunks.setdefault(place.host, _CHUNK)
            session = self._begin(place)
        while True:
            size = self.chunks.get(place.host, _CHUNK)
            try:
                session = self._chunks(place, body, session, size)
                return self._finish(place, descriptor, session, b"")
            except Refused as error:
                smaller = max(size // 4, _LEAST_CHUNK, session.least)
                if error.status != 413 or smaller >= size:
                    raise
            self.chunks[place.host] = min(self.chunks.get(place.host, _CHUNK), smaller)
            session = self._begin(place)

    def _chunks(self, place: Endpoint, body: RequestBody, session: UploadSession, size: int) -> UploadSession:
        """Sends the whole body in chunks, each starting where the last one ended."""
        begin = 0
        for chunk in _chunked(body, size, session.least):
            end = begin + len(chunk)
            headers = {"Content-Type": _BYTES, "Content-Range": f"{begin}-{end - 1}"}
            call = _call(place, "PATCH", session.location, (*_ACCEPTED, 204), headers, chunk)
            with self.api.once(call) as answer:
                # Without a Location, the upload continues at the same address.
                if answer.headers.get("Location"):
                    session = self._session(place, answer, session.location)
            begin = end
        return session

    def _finish(
        self, place: Endpoint, descriptor: Descriptor, session: UploadSession, body: RequestBody | bytes
    ) -> None:
        """Sends the PUT that closes the session; keeps a query of the Location."""
        joint = "&" if "?" in session.location else "?"
        url = f"{session.location}{joint}digest={descriptor.digest}"
        self.api.once(_call(place, "PUT", url, (*_ACCEPTED, 204), {"Content-Type": _BYTES}, body)).close()

    def _session(self, place: Endpoint, answer: Answer, current: str) -> UploadSession:
        """Returns the next address of the upload; a Location may be relative, have a query, or name another host."""
        location = answer.headers.get("Location")
        if not location:
            raise Transient(f"{place.registry} sent no Location for an upload")
        url = self.api.address(place, location, self.api.address(place, current))
        return UploadSession(url, int_header(answer.headers, "OCI-Chunk-Min-Length", 0))


def _lost(error: Refused) -> Refused:
    """Returns a Transient for a session that is lost (404) or out of step (416), so that the upload starts again."""
    if error.status in (404, 416) or error.code == "BLOB_UPLOAD_UNKNOWN":
        return as_transient(error)
    return error


def _chunked(body: RequestBody, size: int, least: int) -> Iterator[RequestBody | bytes]:
    if least > _LARGEST_CHUNK:
        yield body  # one streamed chunk: the minimum size is too large for memory
        return
    size = max(size, least)
    held = bytearray()
    for piece in body:
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def _call(
    place: Endpoint,
    method: str,
    url: str,
    expected: Sequence[int],
    headers: dict[str, str] | None = None,
    body: RequestBody | bytes | None = None,
) -> Call:
    return Call(
        endpoint=place,
        method=method,
        url=url,
        scopes=(push_scope(place),),
        expected=tuple(expected),
        headers=headers or {},
        body=body,
    )
