"""Pushes an image or index from the store: blobs, then manifests, then the index, then the tags.

Items that the store lacks (a base image's layers) are mounted from repositories of the same registry, or streamed from
others without touching the disk.
"""

import functools
import threading
from collections.abc import Collection, Iterator, Sequence

from airbyte_ci.errors import BlobNotFound, ImageError, RegistryError
from airbyte_ci.oci.digest import Digest, chunks
from airbyte_ci.oci.image import Descriptor, Index, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.records import dataclass
from airbyte_ci.registry import blobs, manifests, referrers
from airbyte_ci.registry.api import Api
from airbyte_ci.registry.endpoint import Endpoint, endpoint, endpoints
from airbyte_ci.registry.failures import Refused
from airbyte_ci.registry.options import FEW_BLOBS, SMALL_BLOB, BlobProgress, Step
from airbyte_ci.registry.parallel import Cancelled, each
from airbyte_ci.registry.shared_blobs import SharedBlobs
from airbyte_ci.registry.transport import Answer, RequestBody
from airbyte_ci.registry.upload import Mounted, Uploader, UploadSession

# The codes for a manifest whose blobs the registry does not have (distribution-spec, Error Codes).
_UNKNOWN_BLOB = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"})


class _SourceFailed(Exception):
    """The source of a stream failed, not its target; the next source is tried."""

    def __init__(self, failure: RegistryError | ImageError) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A push to one repository; `sources` may have blobs and manifests that the store lacks.

    `shared` are the blobs of other pushes of the same command.
    """

    api: Api
    uploader: Uploader
    store: Store
    target: Endpoint
    sources: tuple[Reference, ...]
    shared: SharedBlobs

    def run(
        self, digest: Digest, tags: Sequence[str], fixed: Collection[str] = (), *, is_new: bool = False
    ) -> Descriptor:
        """Uploads missing items, then sets the tags; returns the descriptor that the tags now point to.

        The registry is not asked for a manifest that `is_new`.
        """
        for tag in tags:
            if tag in fixed:
                self._refuse_move(tag, digest)
        root = self._manifest(digest)
        names = tuple(tags) or (str(digest),)
        there = manifests.find_tagged(self.api, self.target, tags[0]) if tags else None
        # A registry accepts an image only with all its blobs, so the blobs of the tag's image need no request each.
        held = frozenset(there.blobs) if isinstance(there, Manifest) else frozenset()
        written: set[str] = set()
        if there is not None and there.digest == digest:
            written = {tags[0], str(digest)}
        elif (is_light := self._is_light(root, held)) or is_new or not self._exists(digest):
            self._send_again_if_lost(root, held, unasked=SMALL_BLOB if held or is_light else 0)
        else:
            written = {str(digest)}
        for name in names:
            if name in written and not referrers.has_subject(root):
                continue
            answer = self._write(root, name, held)
            referrers.announce(self.api, self.target, root, answer)
        return root.descriptor

    def _exists(self, digest: Digest) -> bool:
        return manifests.exists(self.api, self.target, digest)

    def _is_light(self, root: Manifest | Index, held: Collection[Digest]) -> bool:
        """Returns whether only a few small blobs are sent, so that questions would cost more than they could save."""
        if isinstance(root, Index):
            return False
        mountable = self._blobs_of_sources()
        sent = [
            item
            for item in root.blobs.values()
            if item.digest not in held
            and item.digest not in mountable
            and not self.shared.find(self.target, item.digest)
        ]
        return len(sent) <= FEW_BLOBS and all(item.size <= SMALL_BLOB and self.store.has(item.digest) for item in sent)

    def _write(self, root: Manifest | Index, name: str, held: Collection[Digest]) -> Answer:
        """Writes the manifest; if the registry lost blobs of an earlier push, uploads them first."""
        try:
            return manifests.write(self.api, self.target, root, name)
        except Refused as error:
            if not self._may_be_lost(error, held):
                raise
        self._send_parts(root, (), unasked=0)
        return manifests.write(self.api, self.target, root, name)

    def _send_again_if_lost(self, root: Manifest | Index, held: Collection[Digest], *, unasked: int) -> None:
        """Uploads everything below the root; everything once more if the registry lost blobs of an earlier push."""
        try:
            self._send_parts(root, held, unasked=unasked)
        except Refused as error:
            if not self._may_be_lost(error, held):
                raise
            self._send_parts(root, (), unasked=0)

    def _may_be_lost(self, error: Refused, held: Collection[Digest]) -> bool:
        """Returns whether the registry lost a blob that was not sent; forgets what this command pushed there."""
        return error.code in _UNKNOWN_BLOB and (self.shared.forget(self.target.registry) or bool(held))

    def _refuse_move(self, tag: str, digest: Digest) -> None:
        found = manifests.digest_of_tag(self.api, self.target, tag)
        if found is not None and found != digest:
            raise RegistryError(
                f"tag {tag} of {self.target} already points to another image\n    there: {found}\n    here:  {digest}",
                advice="increase the version with bump_version, or overwrite the tag with --force",
                error_id="tag-exists",
            )

    def _send_parts(self, root: Manifest | Index, held: Collection[Digest], *, unasked: int) -> None:
        """Uploads everything below the root, deepest first, so that no manifest ever names a missing item.

        The registry has the `held` blobs; others of at most `unasked` bytes are sent without asking for them.
        """
        children = [item for item in self._descendants(root) if not self._exists(item.digest)]
        wanted: dict[Digest, Descriptor] = {}
        for manifest in (*children, root):
            if isinstance(manifest, Manifest):
                wanted |= manifest.blobs
        missing = [item for digest, item in wanted.items() if digest not in held]
        for digest in wanted.keys() & set(held):
            self._tell("present", wanted[digest], wanted[digest].size)
        send = functools.partial(self._blob, self._blobs_of_sources(), unasked=unasked)
        each(missing, self.api.options.concurrency, send)
        for manifest in children:
            manifests.write(self.api, self.target, manifest, str(manifest.digest))

    def send_blobs(self, items: Collection[Descriptor]) -> None:
        """Uploads the blobs that the repository lacks."""
        wanted = {item.digest: item for item in items}
        work = functools.partial(self._blob, self._blobs_of_sources(), unasked=0)
        each(wanted.values(), self.api.options.concurrency, work)

    def _descendants(self, root: Manifest | Index, depth: int = 0) -> list[Manifest | Index]:
        if isinstance(root, Manifest):
            return []
        if depth > 3:
            raise ImageError("its indexes are nested too deeply")
        found: dict[Digest, Manifest | Index] = {}
        for item in root.manifests:
            child = self._manifest(item.digest)
            found |= {below.digest: below for below in self._descendants(child, depth + 1)}
            found[child.digest] = child
        return list(found.values())

    def _manifest(self, digest: Digest) -> Manifest | Index:
        if self.store.has(digest):
            return self.store.manifest(digest)
        for source in self.sources:
            try:
                return manifests.read(self.api, source.with_digest(digest))
            except BlobNotFound:
                continue
        raise BlobNotFound(
            f"manifest {digest} is neither in the store nor in a source repository",
            advice="build or pull the image again",
        )

    def _blob(
        self, mountable: Collection[Digest], descriptor: Descriptor, stop: threading.Event, *, unasked: int
    ) -> None:
        with (
            self.shared.turn(self.target, descriptor.digest) as other,
            self.api.only_one(f"{self.target} {descriptor.digest}"),
        ):
            if stop.is_set():
                raise Cancelled
            if other == self.target:
                self._tell("present", descriptor, descriptor.size)
                return
            is_mountable = descriptor.digest in mountable or other is not None
            ask = is_mountable or descriptor.size > unasked or not self.store.has(descriptor.digest)
            step = self._bring(descriptor, stop, other, is_mountable=is_mountable, ask=ask)
            self._tell(step, descriptor, descriptor.size)

    def _bring(
        self, descriptor: Descriptor, stop: threading.Event, other: Endpoint | None, *, is_mountable: bool, ask: bool
    ) -> Step:
        """Brings a blob to the target; `other` is a repository of its registry that has the blob."""
        # A mount of a present blob succeeds too, so a blob that a source has needs no question first.
        if ask and not is_mountable and self.uploader.present(self.target, descriptor.digest):
            return "present"
        session: UploadSession | None = None
        for place in dict.fromkeys((*([other] if other else ()), *map(endpoint, self.sources if ask else ()))):
            if place.registry != self.target.registry or place == self.target:
                continue
            if session:
                self.uploader.abandon(self.target, session)
            outcome = self.uploader.mount(self.target, descriptor.digest, place)
            if isinstance(outcome, Mounted):
                return "mounted"
            session = outcome
        if is_mountable and self.uploader.present(self.target, descriptor.digest):
            if session:
                self.uploader.abandon(self.target, session)
            return "present"
        if self.store.has(descriptor.digest):
            size = self.store.size(descriptor.digest)
            body = RequestBody(size, lambda: self._from_store(descriptor, stop))
            self.uploader.send(self.target, descriptor, body, session)
            return "uploading"
        self._stream(descriptor, stop, session)
        return "streaming"

    def _blobs_of_sources(self) -> frozenset[Digest]:
        """Returns the blobs of the images in this registry that the sources name by digest, if the store has them."""
        found: set[Digest] = set()
        for source in self.sources:
            if source.registry == self.target.registry and endpoint(source) != self.target and source.digest:
                found |= self._blobs_below(source.digest)
        return frozenset(found)

    def _blobs_below(self, digest: Digest) -> set[Digest]:
        if not self.store.has(digest):
            return set()
        manifest = self.store.manifest(digest)
        if isinstance(manifest, Manifest):
            return {layer.digest for layer in manifest.layers}
        return {blob for item in manifest.manifests if item.digest != digest for blob in self._blobs_below(item.digest)}

    def _from_store(self, descriptor: Descriptor, stop: threading.Event) -> Iterator[bytes]:
        with self.store.open(descriptor.digest) as reader:
            yield from self._told("uploading", descriptor, chunks(reader), stop)

    def _stream(self, descriptor: Descriptor, stop: threading.Event, session: UploadSession | None) -> None:
        """Streams through memory from the first source that has the blob, and verifies it in transit."""
        failure: RegistryError | ImageError | None = None
        for place in (place for source in self.sources for place in endpoints(source, self.api.options)):
            body = RequestBody(descriptor.size, functools.partial(self._from_registry, place, descriptor, stop))
            try:
                return self.uploader.send(self.target, descriptor, body, session)
            except _SourceFailed as error:
                failure, session = error.failure, None
        if failure and not isinstance(failure, BlobNotFound):
            raise failure
        raise BlobNotFound(
            f"blob {descriptor.digest} is neither in the store nor in a source repository",
            advice="pull the base image again",
        ) from failure

    def _from_registry(self, place: Endpoint, descriptor: Descriptor, stop: threading.Event) -> Iterator[bytes]:
        arriving = blobs.verified(self.api, place, descriptor)
        try:
            yield from self._told("streaming", descriptor, arriving, stop)
        except (RegistryError, ImageError) as error:
            raise _SourceFailed(error) from error

    def _told(
        self, step: Step, descriptor: Descriptor, pieces: Iterator[bytes], stop: threading.Event
    ) -> Iterator[bytes]:
        done = 0
        for piece in pieces:
            if stop.is_set():
                raise Cancelled
            yield piece
            done += len(piece)
            self._tell(step, descriptor, done)

    def _tell(self, step: Step, descriptor: Descriptor, done: int) -> None:
        self.api.options.tell(
            BlobProgress(step, str(self.target), digest=descriptor.digest, done=done, total=descriptor.size)
        )


def check_tags(tags: Sequence[str], target: Reference) -> tuple[str, ...]:
    """Returns the tags to set: the given ones, else the target's own."""
    names = tuple(tags) or ((target.tag,) if target.tag else ())
    for name in names:
        if not manifests.is_tag(name):
            raise RegistryError(f"{name!r} is not a valid tag")
    return names
