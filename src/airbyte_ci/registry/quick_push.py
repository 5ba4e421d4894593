"""A push in a few requests with only sockets, because most pushes have nothing new, or two small blobs.

Whatever goes another way than expected is left to the client, which knows logins, proxies, retries and error messages,
and does everything again. Importing it takes longer than these requests.
"""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, Manifest, parse_json_object
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.records import dataclass
from airbyte_ci.registry.endpoint import Endpoint, endpoint, may_be_plain
from airbyte_ci.registry.options import FEW_BLOBS, SMALL_BLOB, RegistryOptions
from airbyte_ci.registry.quick_connection import QuickAnswer, QuickConnection

if TYPE_CHECKING:  # only where the client was needed before
    from airbyte_ci.registry.shared_blobs import SharedBlobs

_ACCEPTED = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
# The client handles requests that need these settings.
_ELSEWISE = ("http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle")


def point_tag(
    reference: Reference,
    digest: Digest,
    store: Store,
    options: RegistryOptions,
    environment: Mapping[str, str],
    fixed: Collection[str] = (),
    sources: Sequence[Reference] = (),
    shared: "SharedBlobs | None" = None,
    refused: set[str] | None = None,
) -> bool:
    """Returns whether the tag points to an image of the store, now; False means that the client must do it.

    If the tag is new or points to another image that the store has, at most two small blobs and the manifest are sent.
    Blobs of `sources` and `shared` are mounted. A tag that is `fixed` is not set. Hosts that do not answer such
    requests are added to `refused`, and not asked again.
    """
    place, refused = endpoint(reference), set() if refused is None else refused
    plain = may_be_plain(place.host, options)
    if options.offline or (not plain and any(name.lower() in _ELSEWISE for name in environment)):
        return False
    if place.host in refused:
        return False
    try:
        with QuickConnection(place.host, plain=plain) as connection:
            path = f"/v2/{place.repository}/manifests/{reference.tag}"
            answer = connection.exchange("HEAD", path, {"Accept": _ACCEPTED})
            there = answer.headers.get("docker-content-digest", "")
            if answer.status == 200 and there == str(digest):
                return True
            if answer.status not in (200, 404):
                refused.add(place.host)
                return False
            if reference.tag in fixed:
                return False
            manifest = _image(store, digest)
            before = _image(store, Digest.parse(there)) if answer.status == 200 else None
            mounts, new = _new_blobs(store, manifest, before, _Elsewhere(store, place, sources, shared))
            if not _mount(connection, place, mounts):
                refused.add(place.host)
                return False
            _send_blobs(connection, place, new, plain=plain)
            answer = connection.exchange("PUT", path, {"Content-Type": manifest.media_type}, manifest.raw)
            return answer.status == 201 and answer.headers.get("docker-content-digest") == str(digest)
    except (OSError, ValueError, AirbyteCiError):
        return False


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """The repositories of the target's registry that may have a blob."""

    store: Store
    target: Endpoint
    sources: Sequence[Reference]
    shared: "SharedBlobs | None"

    def find(self, digest: Digest) -> Endpoint | None:
        """Returns a repository that has the blob, the target itself if possible; None if none is known."""
        if self.shared and (place := self.shared.find(self.target, digest)):
            return place
        for source in self.sources:
            place = endpoint(source)
            if place.registry == self.target.registry and source.digest and self.store.has(source.digest):
                found = self.store.manifest(source.digest)
                if isinstance(found, Manifest) and any(layer.digest == digest for layer in found.layers):
                    return place
        return None


def _image(store: Store, digest: Digest) -> Manifest:
    """Returns an image of the store that has no subject; raises ValueError, BlobNotFound, ImageError."""
    found = store.manifest(digest)
    if not isinstance(found, Manifest) or parse_json_object(found.raw, "a manifest").get("subject") is not None:
        raise ValueError("an index, or a manifest that registries list under another one")
    return found


def _new_blobs(
    store: Store, image: Manifest, before: Manifest | None, elsewhere: _Elsewhere
) -> tuple[dict[Digest, Endpoint], dict[Digest, bytes]]:
    """Returns the blobs to mount and those to send; raises ValueError if they are many or large.

    A registry accepts an image only with all its blobs, so it has those of the image before.
    """
    held = before.blobs if before else {}
    new = {digest: item.size for digest, item in image.blobs.items() if digest not in held}
    found = {digest: place for digest in new if (place := elsewhere.find(digest))}
    sent = {digest: size for digest, size in new.items() if digest not in found}
    if len(sent) > FEW_BLOBS or any(size > SMALL_BLOB for size in sent.values()):
        raise ValueError("many or large blobs")
    mounts = {digest: place for digest, place in found.items() if place != elsewhere.target}
    return mounts, {digest: store.read(digest) for digest in sent}


def _mount(connection: QuickConnection, place: Endpoint, mounts: Mapping[Digest, Endpoint]) -> bool:
    """Mounts blobs of other repositories of the registry; returns whether it has done so."""
    for digest, source in mounts.items():
        path = f"/v2/{place.repository}/blobs/uploads/?mount={digest}&from={source.repository}"
        if connection.exchange("POST", path, {}, b"").status != 201:
            return False
    return True


def _send_blobs(first: QuickConnection, place: Endpoint, blobs: Mapping[Digest, bytes], *, plain: bool) -> None:
    """Uploads the blobs at the same time, each on its own connection; raises OSError, ValueError."""
    if not blobs:
        return
    with contextlib.ExitStack() as stack:
        more = (stack.enter_context(QuickConnection(place.host, plain=plain)) for _ in range(len(blobs) - 1))
        connections = [first, *more][: len(blobs)]
        for connection in connections:
            connection.send("POST", f"/v2/{place.repository}/blobs/uploads/", {}, b"")
        sessions = [_session(connection, _accepted(connection.receive(), (202,))) for connection in connections]
        for connection, path, (digest, body) in zip(connections, sessions, blobs.items(), strict=True):
            joint = "&" if "?" in path else "?"
            headers = {"Content-Type": "application/octet-stream"}
            connection.send("PUT", f"{path}{joint}digest={digest}", headers, body)
        for connection in connections:
            _accepted(connection.receive(), (201,))


def _accepted(answer: QuickAnswer, expected: Sequence[int]) -> QuickAnswer:
    if answer.status not in expected:
        raise ValueError(f"status {answer.status}")
    return answer


def _session(connection: QuickConnection, answer: QuickAnswer) -> str:
    """Returns the path of the session's address, which must be on the same host."""
    path = answer.headers.get("location", "").removeprefix(connection.origin)
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError("an upload at another address")
    return path
