"""The store: an OCI image layout on disk plus an action cache. Knows bytes and keys, not their meaning.

    oci-layout, index.json, blobs/sha256/<hex>     an image layout (image-spec, image-layout.md)
    actions/<2 hex>/<hex>                          action key → JSON value, and the origin of the key
    snapshots/<hex>/                               unpacked layers, made and read by `rootfs`
    records/<hex>                                  the original state of each snapshot
    caches/                                        downloads and folders that commands share (`caches`)
    ingest/, scratch/                              unfinished files; folders that live as long as a command
    sessions/, lock, gc.lock, turns                the users of the store (`sessions`), and what they do now (`turns`)

Files are written to a temporary path and renamed, so a reader sees all of a blob or none of it, and any number of
processes may share one store. Each use is marked with its time.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from airbyte_ci import disk
from airbyte_ci.errors import BlobNotFound, DigestMismatch, StoreError
from airbyte_ci.hashing import sha256
from airbyte_ci.oci.digest import Digest, chunks
from airbyte_ci.oci.image import (
    LAYOUT,
    Descriptor,
    Image,
    ImageConfig,
    Index,
    Manifest,
    canonical_json,
    parse_json_object,
    parse_manifest,
)
from airbyte_ci.oci.store import ownership, sessions
from airbyte_ci.oci.store.turns import Turns
from airbyte_ci.records import dataclass

REF_NAME = "org.opencontainers.image.ref.name"
_FOLDERS = ("actions", "snapshots", "records", "scratch", "sessions")
# Space that must remain after a large write, so that a full disk is reported here and not half-way elsewhere.
RESERVE = 64 << 20
# The number of small blobs whose values are kept.
_MOST_PARSED = 64
T = TypeVar("T")
# A file's inode, size and change times, the last of which cannot be set.
_State = tuple[int, int, int, int]


class BlobWriter:
    """A blob being written: `write` the bytes, then the store's `writer` commits it under its digest."""

    def __init__(self, file: BinaryIO, root: Path) -> None:
        self._file = file
        self._root = root
        import hashlib  # loads OpenSSL, for large data

        self._hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        with _told(self._root):
            self._file.write(data)
        self._hasher.update(data)
        self.size += len(data)
        return len(data)

    @property
    def digest(self) -> Digest:
        return Digest(self._hasher.hexdigest())


class VerifyingReader:
    """A blob's bytes; reading past the last one raises DigestMismatch if they were wrong."""

    def __init__(self, file: BinaryIO, digest: Digest) -> None:
        self._file = file
        import hashlib  # loads OpenSSL, for large data

        self._expected = digest
        self._hasher = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hasher.update(data)
        if (not data and size != 0) or size < 0:
            self._verify()
        return data

    def _verify(self) -> None:
        if self._hasher.hexdigest() != self._expected.hex:
            raise _damaged(self._expected)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "VerifyingReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Store:
    """A content-addressed folder. Opening one touches a few files, independent of the number of blobs.

    `turns` are the actions that threads and processes do with it now.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.turns = Turns(root / "turns")
        self._blobs = root / "blobs" / "sha256"
        self._ingest = root / "ingest"
        self._seen: dict[Digest, _State | None] = {}
        # The entries of index.json and its state when they were read: hundreds of connectors name one image each.
        self._named: tuple[_State | None, tuple[Descriptor, ...]] = (None, ())
        # What blobs mean, and their state before they were read.
        self._parsed: dict[tuple[Digest, object], tuple[_State | None, Any]] = {}
        with _told(root, "opening"):
            ownership.claim(root)
            folders = (self._blobs, self._ingest, *(root / name for name in _FOLDERS))
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            self.session = sessions.join(root / "sessions")
            layout = root / "oci-layout"
            if not layout.exists():
                self._replace(layout, LAYOUT)

    # --- blobs ---------------------------------------------------------------------------------

    def path(self, digest: Digest) -> Path:
        """Returns the path of a present or future blob; reading it directly skips verification."""
        return self._blobs / digest.hex

    def has(self, digest: Digest) -> bool:
        """Returns whether the blob is present; if so, it stays at least as long as this store is open."""
        return self.use(self.path(digest))

    def has_all(self, digests: Iterable[Digest]) -> bool:
        """Returns whether all blobs are present; if so, they stay at least as long as this store is open."""
        return self.use(*map(self.path, digests))

    def use(self, *paths: Path) -> bool:
        """Marks files of the store as used now, so that garbage collection keeps them; False if one does not exist."""
        try:
            # What was marked since this session began is not removed by a running collection.
            if old := [path for path in paths if path.stat().st_mtime < self.session.began]:
                with disk.lock(self.root / "gc.lock", shared=True):
                    for path in old:
                        os.utime(path)
        except FileNotFoundError:
            return False
        except PermissionError:
            return True  # a store of another user that is only readable
        return True

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Returns a folder for the duration of the block; collection removes those of killed processes."""
        with _told(self.root):
            folder = disk.create_unique_folder(self.root / "scratch")
        try:
            yield folder
        finally:
            disk.remove_tree(folder)

    def size(self, digest: Digest) -> int:
        """Returns the blob's size in bytes; raises BlobNotFound."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError as error:
            raise self._missing(digest) from error

    def open(self, digest: Digest) -> VerifyingReader:
        """Returns a stream that is verified when it is read to its end; raises BlobNotFound."""
        self.has(digest)  # marks its use
        try:
            return VerifyingReader(self.path(digest).open("rb"), digest)
        except FileNotFoundError as error:
            raise self._missing(digest) from error

    def read(self, digest: Digest) -> bytes:
        """Returns all of a small blob, verified."""
        self.has(digest)  # marks its use
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError as error:
            raise self._missing(digest) from error
        if Digest.of(data) != digest:
            raise _damaged(digest)
        return data

    def verified(self, digest: Digest) -> Path:
        """Returns the path of a blob after verifying it; raises BlobNotFound, DigestMismatch.

        A file that this store has written or verified, and that has not changed since, is not read again.
        """
        path = self.path(digest)
        if self._seen.get(digest) is None or self._seen[digest] != _state(path):
            with self.open(digest) as reader:
                before = _state(path)
                for _ in chunks(reader):
                    pass
            self._seen[digest] = before
        return path

    def put(self, data: bytes) -> Digest:
        """Stores `data` and returns its digest."""
        digest = Digest.of(data)
        if not self.has(digest):
            with self.writer(expected=digest, size=len(data)) as writer:
                writer.write(data)
        return digest

    @contextlib.contextmanager
    def writer(self, *, expected: Digest | None = None, size: int | None = None) -> Iterator[BlobWriter]:
        """Commits the written bytes when the block ends without an error, otherwise discards them.

        Checks the free space for `size` bytes first. Raises DigestMismatch if the bytes are not the `expected` ones,
        StoreError if the disk is full. Errors of the block itself are raised unchanged.
        """
        if size is not None:
            self.require_space(size)
        with _told(self.root):
            handle, temporary = disk.create_unique(self._ingest)
        file = os.fdopen(handle, "wb")
        try:
            fcntl.flock(file, fcntl.LOCK_SH)  # garbage collection keeps locked files
            writer = BlobWriter(file, self.root)
            yield writer
            if expected is not None and writer.digest != expected:
                raise DigestMismatch(f"expected {expected} but received {writer.digest}")
            if size is not None and writer.size != size:
                raise DigestMismatch(f"expected {size} bytes but received {writer.size} for {expected}")
            with _told(self.root):
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o444)
                temporary.replace(self.path(writer.digest))
                self._seen[writer.digest] = _state(self.path(writer.digest))
        finally:
            with contextlib.suppress(OSError):  # closing fails if the disk is full
                file.close()
            temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def draft(self, write: Callable[[BlobWriter], None]) -> Iterator[tuple[BinaryIO, int]]:
        """Gives a file with what `write` wrote, to read it during the block, and its size in bytes.

        The file is never part of the store. Raises StoreError if the disk is full.
        """
        with _told(self.root):
            handle, temporary = disk.create_unique(self._ingest)
            temporary.unlink()
        with os.fdopen(handle, "w+b") as file:
            writer = BlobWriter(file, self.root)
            write(writer)
            with _told(self.root):
                file.seek(0)
            yield file, writer.size

    def require_space(self, size: int) -> None:
        """Raises StoreError unless `size` more bytes fit."""
        with _told(self.root):
            status = os.statvfs(self.root)
            free = status.f_bavail * status.f_frsize
        if free < size + RESERVE:
            raise _no_space(self.root, f"{(size + RESERVE) / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free")

    def _missing(self, digest: Digest) -> BlobNotFound:
        return BlobNotFound(f"the store at {self.root} does not contain {digest}")

    # --- images --------------------------------------------------------------------------------

    def manifest(self, digest: Digest) -> Manifest | Index:
        return self._read_parsed(digest, parse_manifest, f"manifest {digest}")

    def image(self, digest: Digest) -> Image:
        """Returns the image whose manifest has this digest; raises BlobNotFound, ImageError."""
        manifest = self._read_parsed(digest, Manifest.parse, f"manifest {digest}")
        place = manifest.config.digest
        return Image(manifest, self._read_parsed(place, ImageConfig.parse, f"configuration {place}"))

    def _read_parsed(self, digest: Digest, parse: Callable[[bytes, str], T], what: str) -> T:
        """Returns the value of a small blob; hundreds of connectors read those of their base image several times each.

        A file that has not changed since it was verified is not read again.
        """
        key, before = (digest, parse), _state(self.path(digest))
        known = self._parsed.get(key)
        if known and before is not None and known[0] == before and self.has(digest):
            found: T = known[1]
            return found
        found = parse(self.read(digest), what)
        if len(self._parsed) >= _MOST_PARSED:
            self._parsed.clear()
        self._parsed[key] = before, found
        return found

    def holds(self, image: Image) -> bool:
        """Returns whether all layers of an image are present; they stay as long as this store is open."""
        return self.has_all(layer.digest for layer in image.manifest.layers)

    def put_image(self, manifest: Manifest, config: ImageConfig) -> Image:
        self.put(config.raw)
        self.put(manifest.raw)
        return Image(manifest, config)

    # --- names ---------------------------------------------------------------------------------

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """Points `name` (for people: `acme/source-x:dev`) to a manifest."""
        with self._locked():
            known = self._entries()
            entries = [item for item in known if item.annotations.get(REF_NAME) != name]
            named = Descriptor(
                descriptor.media_type,
                descriptor.digest,
                size=descriptor.size,
                annotations={**descriptor.annotations, REF_NAME: name},
                platform=descriptor.platform,
            )
            if [item for item in known if item.annotations.get(REF_NAME) == name] != [named]:
                self._write_index((*entries, named))

    def untag(self, name: str) -> None:
        """Removes a name; the image may then be collected."""
        with self._locked():
            self._write_index(item for item in self._entries() if item.annotations.get(REF_NAME) != name)

    def _write_index(self, entries: Iterable[Descriptor]) -> None:
        index, path = Index.make(tuple(entries), {}), self.root / "index.json"
        self._replace(path, index.raw)
        self._named = _state(path), index.manifests

    def resolve(self, name: str) -> Descriptor | None:
        """Returns the manifest that `name` points to, if any."""
        return next((item for item in self._entries() if item.annotations.get(REF_NAME) == name), None)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(item.annotations.get(REF_NAME, "") for item in self._entries()))

    def _entries(self) -> tuple[Descriptor, ...]:
        path = self.root / "index.json"
        state, (known, entries) = _state(path), self._named
        if state is None or state != known:
            try:
                raw = path.read_bytes()
            except FileNotFoundError:
                return ()
            entries = Index.parse(raw, f"index.json of the store at {self.root}").manifests
            self._named = state, entries
        return entries

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            with _told(self.root):
                held.enter_context(disk.lock(self.root / "lock"))
            yield

    # --- actions -------------------------------------------------------------------------------

    def recall(self, key: Digest) -> dict[str, Any] | None:
        """Returns the stored value of this action key, or None; also None for a damaged value."""
        if not self.use(self._action(key)):
            return None
        try:
            found = _checked(self._action(key).read_bytes())
            return parse_json_object(found[1], f"action {key}") if found is not None else None
        except FileNotFoundError:
            return None

    def recorded(self, path: Path) -> tuple[bytes, bytes] | None:
        """Returns the origin and the value of an action's file as JSON, without a mark of its use; None if it is
        damaged.

        The origin is empty if it is unknown. Raises OSError.
        """
        return _checked(path.read_bytes())

    def remember(self, key: Digest, value: dict[str, Any]) -> None:
        """Stores the result of an action. Keys contain a format version; values name blobs by digest."""
        path = self._action(key)
        with _told(self.root):
            path.parent.mkdir(exist_ok=True)
        body = canonical_json(value)
        rest = key.origin + b"\n" + body if isinstance(key, ActionKey) else body
        # The checksum detects torn writes, and the value can be computed again, so no fsync is needed.
        self._replace(path, _checksum(rest) + b"\n" + rest, durable=False)

    def reuse(
        self,
        kind: str,
        version: int,
        inputs: object,
        make: Callable[[], dict[str, Any]],
        is_whole: Callable[[dict[str, Any]], bool] = lambda _: True,
        say: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        """Returns the stored result of an action; the first time, stores the result of `make` and returns it.

        `kind`, `version` and `inputs` are those of `action_key`. A result that is not whole, because a blob that it
        names is missing, is made again. Of several threads that need it, one makes it; if that fails, the next one.
        With `say`, the same is true of processes, as in `Turns.take`.
        """
        key = action_key(kind, version, inputs)

        def find() -> dict[str, Any] | None:
            known = self.recall(key)
            return known if known is not None and is_whole(known) else None

        if (found := find()) is not None:
            return found
        with self.turns.take(key, say=say):
            if (found := find()) is None:
                found = make()
                self.remember(key, found)
        return found

    def _replace(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """Writes a small file atomically; a `durable` one survives a power cut."""
        with _told(self.root):
            disk.write_file(path, data, durable=durable, staging=self._ingest)

    def _action(self, key: Digest) -> Path:
        return self.root / "actions" / key.hex[:2] / key.hex


def _damaged(digest: Digest) -> DigestMismatch:
    return DigestMismatch(
        f"reading {digest} from the store: its content was changed on disk",
        advice="airbyte-ci store check --drop, then build again",
        error_id="store-damaged",
    )


def _state(path: Path) -> _State | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _checked(raw: bytes) -> tuple[bytes, bytes] | None:
    """Returns an action's origin, if it has one, and its value; None if the checksum does not match."""
    checksum, _, rest = raw.partition(b"\n")
    if _checksum(rest) != checksum:
        return None
    origin, _, value = rest.rpartition(b"\n")
    return origin, value


def _checksum(rest: bytes) -> bytes:
    """Returns the checksum of an action's file. Code that knew no origins finds a wrong checksum, so no such action."""
    return sha256(b"with origin\n" + rest if b"\n" in rest else rest).encode()


@dataclass(frozen=True, slots=True)
class ActionKey(Digest):
    """The digest of an action's `origin`: the canonical JSON of its kind, format version and inputs."""

    origin: bytes = b""

    def __eq__(self, other: object) -> bool:
        return self.hex == other.hex if isinstance(other, Digest) else NotImplemented

    __hash__ = Digest.__hash__

    @classmethod
    def of_origin(cls, origin: bytes) -> "ActionKey":
        return cls(sha256(origin), origin)


def action_key(kind: str, version: int, inputs: object) -> ActionKey:
    """Returns the key of an action: its kind, the format version of the code, and all inputs of its result."""
    return ActionKey.of_origin(canonical_json({"action": kind, "version": version, "inputs": inputs}))


@contextlib.contextmanager
def _told(root: Path, doing: str = "writing to") -> Iterator[None]:
    """Converts errors of the disk to StoreError with advice."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(root, "the disk is full") from error
        raise StoreError(
            f"{doing} the store at {root}: {error.strerror or error}",
            advice="set AIRBYTE_CI_HOME to a folder you can write",
            error_id="store-not-writable",
        ) from error


def _no_space(root: Path, why: str) -> StoreError:
    return StoreError(
        f"writing to the store at {root}: {why}",
        advice="free some space, or set AIRBYTE_CI_HOME to a larger disk",
        error_id="store-full",
    )
