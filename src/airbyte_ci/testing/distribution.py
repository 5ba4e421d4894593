"""The server side of the distribution specification 1.1. Knows the answers, not sockets.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

import re
from dataclasses import dataclass
from urllib.parse import quote

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import INDEX, MANIFEST_LIMIT, parse_json_object
from airbyte_ci.testing.contents import RegistryContents, Repository, StoredManifest
from airbyte_ci.testing.messages import Reply, Request, as_json, error

_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
_CONTENT_RANGE = re.compile(r"(\d+)-(\d+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """Choices that the specification leaves to the registry, or behavior of older registries."""

    referrers: bool = True
    page: int | None = None  # the maximum number of entries in a list
    locations: str = ""  # prepended to the path of a Location; empty makes it relative
    location_query: str = ""  # must be sent back with the next request of an upload, as `a=b`
    chunk_least: int = 0
    single_post: bool = False  # whether a blob may come with the request that begins its upload
    body_most: int | None = None  # a larger body is refused with 413, like proxies do


class DistributionServer:
    """Answers requests from contents."""

    def __init__(self, contents: RegistryContents, manner: Manner) -> None:
        self._contents = contents
        self._manner = manner

    def answer(self, request: Request) -> Reply:
        """Returns the specified answer; every operation of `messages.Operation` has a method here."""
        if self._manner.body_most is not None and len(request.body) > self._manner.body_most:
            return error(413, "SIZE_INVALID", "the body is too large")
        method = getattr(self, "_" + request.operation.replace(" ", "_"), None)
        with self._contents.lock:
            reply = method(request) if method else error(404, "UNSUPPORTED", "no such end point")
        assert isinstance(reply, Reply)
        return reply.with_headers(Docker_Distribution_API_Version="registry/2.0")

    def _ping(self, request: Request) -> Reply:  # noqa: ARG002
        return as_json({})

    # --- manifests -----------------------------------------------------------------------------

    def _head_manifest(self, request: Request) -> Reply:
        return self._get_manifest(request)  # the sender omits the body

    def _get_manifest(self, request: Request) -> Reply:
        repository = self._contents.repositories.get(request.repository)
        if repository is None:
            return error(404, "NAME_UNKNOWN", "repository name not known to registry")
        found = repository.find(request.name)
        if found is None:
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        digest, manifest = found
        headers = {"Content-Type": manifest.media_type, "Docker-Content-Digest": str(digest)}
        return Reply(status=200, headers=headers, body=manifest.raw)

    def _put_manifest(self, request: Request) -> Reply:
        media_type = request.headers.get("content-type", "")
        digest = Digest.of(request.body)
        by_digest = ":" in request.name
        if len(request.body) > MANIFEST_LIMIT:
            return error(413, "SIZE_INVALID", "the manifest is too large")
        if by_digest and request.name != str(digest):
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        if not by_digest and not _TAG.match(request.name):
            return error(400, "TAG_INVALID", "manifest tag did not match URI")
        try:
            document = parse_json_object(request.body, "manifest")
            if document.get("mediaType", media_type) != media_type:
                return error(400, "MANIFEST_INVALID", "mediaType is not the Content-Type")
            manifest = StoredManifest(media_type, request.body)
            subject = manifest.subject
            missing = self._missing(self._contents.repository(request.repository), document)
        except (ImageError, AttributeError) as problem:
            return error(400, "MANIFEST_INVALID", str(problem))
        if missing:
            return error(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {missing}")
        repository = self._contents.repository(request.repository)
        repository.manifests[digest] = manifest
        if not by_digest:
            repository.tags[request.name] = digest
        location = self._location(f"/v2/{request.repository}/manifests/{digest}")
        reply = Reply(status=201, headers={"Location": location, "Docker-Content-Digest": str(digest)})
        answered = subject is not None and self._manner.referrers
        return reply.with_headers(OCI_Subject=str(subject)) if answered else reply

    @staticmethod
    def _missing(repository: Repository, document: dict[str, object]) -> str | None:
        """Returns the first item that the manifest names and the repository lacks; a subject may be missing."""
        blobs = [document.get("config"), *_list(document.get("layers"))]
        for item in blobs:
            if isinstance(item, dict) and Digest.parse(item.get("digest")) not in repository.blobs:
                return str(item.get("digest"))
        for item in _list(document.get("manifests")):
            if isinstance(item, dict) and Digest.parse(item.get("digest")) not in repository.manifests:
                return str(item.get("digest"))
        return None

    def _delete_manifest(self, request: Request) -> Reply:
        repository = self._contents.repositories.get(request.repository)
        found = repository.find(request.name) if repository else None
        if repository is None or found is None:
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        if ":" not in request.name:
            del repository.tags[request.name]
            return Reply(status=202)
        digest, _ = found
        del repository.manifests[digest]
        repository.tags = {tag: kept for tag, kept in repository.tags.items() if kept != digest}
        return Reply(status=202)

    # --- blobs ---------------------------------------------------------------------------------

    def _blob(self, request: Request) -> tuple[Digest, bytes] | None:
        try:
            digest = Digest.parse(request.name)
        except ImageError:
            return None
        repository = self._contents.repositories.get(request.repository)
        held = repository is not None and digest in repository.blobs
        return (digest, self._contents.bytes[digest]) if held else None

    def _head_blob(self, request: Request) -> Reply:
        return self._get_blob(request)

    def _get_blob(self, request: Request) -> Reply:
        found = self._blob(request)
        if found is None:
            return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        digest, data = found
        reply = Reply(
            status=200,
            headers={"Content-Type": "application/octet-stream", "Docker-Content-Digest": str(digest)},
            body=data,
        ).with_headers(Accept_Ranges="bytes")
        match = _RANGE.match(request.headers.get("range", ""))
        return _part(reply, match[1], match[2]) if match else reply

    def _delete_blob(self, request: Request) -> Reply:
        found = self._blob(request)
        if found is None:
            return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        self._contents.repository(request.repository).blobs.discard(found[0])
        return Reply(status=202)

    # --- uploads -------------------------------------------------------------------------------

    def _mount_blob(self, request: Request) -> Reply:
        source = self._contents.repositories.get(request.argument("from"))
        try:
            digest = Digest.parse(request.argument("mount"))
        except ImageError:
            return error(400, "DIGEST_INVALID", "the digest to mount is invalid")
        if source is None or digest not in source.blobs:
            return self._start_upload(request)
        self._contents.repository(request.repository).blobs.add(digest)
        return self._created(request, digest)

    def _start_upload(self, request: Request) -> Reply:
        name = self._contents.repository(request.repository).begin()
        if self._manner.single_post and (digest := request.argument("digest")):
            return self._finished(request, name, request.body, digest)
        reply = self._accepted(request, name)
        least = self._manner.chunk_least
        return reply.with_headers(OCI_Chunk_Min_Length=str(least)) if least else reply

    def _upload(self, request: Request) -> bytearray | None:
        repository = self._contents.repositories.get(request.repository)
        carried = f"{key}={values[0]}" if (key := self._query_name) and (values := request.query.get(key)) else ""
        known = repository is not None and carried == self._manner.location_query
        return repository.uploads.get(request.name) if repository is not None and known else None

    @property
    def _query_name(self) -> str:
        return self._manner.location_query.partition("=")[0]

    def _patch_upload(self, request: Request) -> Reply:
        held = self._upload(request)
        if held is None:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if problem := _out_of_order(request, held):
            return problem.with_headers(Range=_range(held), Location=self._where(request, request.name))
        held += request.body
        return self._accepted(request, request.name)

    def _get_upload(self, request: Request) -> Reply:
        held = self._upload(request)
        if held is None:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return Reply(status=204, headers=self._accepted(request, request.name).headers)

    def _delete_upload(self, request: Request) -> Reply:
        if self._upload(request) is None:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        del self._contents.repository(request.repository).uploads[request.name]
        return Reply(status=204)

    def _put_upload(self, request: Request) -> Reply:
        held = self._upload(request)
        if held is None:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if problem := _out_of_order(request, held):
            return problem
        return self._finished(request, request.name, bytes(held + request.body), request.argument("digest"))

    def _finished(self, request: Request, name: str, data: bytes, claimed: str) -> Reply:
        digest = Digest.of(data)
        if claimed != str(digest):
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        del self._contents.repository(request.repository).uploads[name]
        self._contents.put_blob(request.repository, data)
        return self._created(request, digest)

    def _created(self, request: Request, digest: Digest) -> Reply:
        location = self._location(f"/v2/{request.repository}/blobs/{digest}")
        return Reply(status=201, headers={"Location": location, "Docker-Content-Digest": str(digest)})

    def _accepted(self, request: Request, name: str) -> Reply:
        held = self._contents.repository(request.repository).uploads[name]
        headers = {"Location": self._where(request, name), "Range": _range(held), "Docker-Upload-UUID": name}
        return Reply(status=202, headers=headers)

    def _where(self, request: Request, name: str) -> str:
        query = f"?{self._manner.location_query}" if self._manner.location_query else ""
        return self._location(f"/v2/{request.repository}/blobs/uploads/{name}{query}")

    def _location(self, path: str) -> str:
        return f"{self._manner.locations}{path}"

    # --- lists ---------------------------------------------------------------------------------

    def _list_tags(self, request: Request) -> Reply:
        repository = self._contents.repositories.get(request.repository)
        if repository is None:
            return error(404, "NAME_UNKNOWN", "repository name not known to registry")
        last, most = request.argument("last"), request.argument("n")
        tags = sorted(tag for tag in repository.tags if tag > last)
        limit = min(int(most) if most.isdecimal() else len(tags), self._manner.page or len(tags))
        reply = as_json({"name": request.repository, "tags": tags[:limit]})
        if limit and len(tags) > limit:
            following = f"/v2/{request.repository}/tags/list?last={quote(tags[limit - 1])}&n={most or limit}"
            return reply.with_headers(Link=f'<{following}>; rel="next"')
        return reply

    def _list_referrers(self, request: Request) -> Reply:
        if not self._manner.referrers:
            return error(404, "UNSUPPORTED", "no such end point")
        try:
            subject = Digest.parse(request.name)
        except ImageError:
            return error(400, "DIGEST_INVALID", "the digest is invalid")
        repository = self._contents.repositories.get(request.repository)
        known = repository.manifests if repository else {}
        entries = [_entry(digest, item) for digest, item in known.items() if item.subject == subject]
        wanted = request.argument("artifactType")
        if wanted:
            entries = [entry for entry in entries if entry.get("artifactType") == wanted]
        begin = int(request.argument("begin") or 0)
        page = entries[begin : begin + (self._manner.page or len(entries))]
        reply = as_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": page}, 200, INDEX)
        if begin + len(page) < len(entries):
            following = f"/v2/{request.repository}/referrers/{subject}?begin={begin + len(page)}"
            following += f"&artifactType={quote(wanted)}" if wanted else ""
            reply = reply.with_headers(Link=f'<{following}>; rel="next"')
        return reply.with_headers(OCI_Filters_Applied="artifactType") if wanted else reply


def _entry(digest: Digest, manifest: StoredManifest) -> dict[str, object]:
    document = manifest.document
    entry: dict[str, object] = {"mediaType": manifest.media_type, "digest": str(digest), "size": len(manifest.raw)}
    config = document.get("config")
    artifact_type = document.get("artifactType") or (config or {}).get("mediaType")
    if artifact_type:
        entry["artifactType"] = artifact_type
    if document.get("annotations"):
        entry["annotations"] = document["annotations"]
    return entry


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _range(held: bytearray) -> str:
    return f"0-{max(0, len(held) - 1)}"


def _out_of_order(request: Request, held: bytearray) -> Reply | None:
    """A chunk must begin where the last one ended ("Pushing a blob in chunks")."""
    text = request.headers.get("content-range", "")
    match = _CONTENT_RANGE.match(text)
    if text and (not match or int(match[1]) != len(held)):
        return error(416, "BLOB_UPLOAD_INVALID", "the chunk does not begin where the last one ended")
    if match and int(match[2]) - int(match[1]) + 1 != len(request.body):
        return error(400, "SIZE_INVALID", "the chunk is not as long as its range")
    return None


def _part(reply: Reply, first: str, last: str) -> Reply:
    """Returns the requested part (RFC 9110, 14)."""
    size = len(reply.body)
    if first:
        begin, end = int(first), min(int(last), size - 1) if last else size - 1
    else:
        begin, end = max(0, size - int(last or 0)), size - 1
    if begin > end or begin >= size:
        return error(416, "UNKNOWN", "no such range").with_headers(Content_Range=f"bytes */{size}")
    part = Reply(status=206, headers=reply.headers, body=reply.body[begin : end + 1])
    return part.with_headers(Content_Range=f"bytes {begin}-{end}/{size}")
