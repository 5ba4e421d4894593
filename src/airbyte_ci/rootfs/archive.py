"""A layer's blob as the uncompressed bytes and entries of its archive: hashed, forward-only and limited in size.

Handles compression and limits, not the content of the entries.
"""

import contextlib
import hashlib
import io
import tarfile
import zlib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from airbyte_ci.errors import AirbyteCiError, DigestMismatch, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.oci.store.store import Store

# What the readers of gzip and tar raise for bytes that are neither, and the kernel's interface for absurd numbers.
UNREADABLE = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, RecursionError)

_SIZE_LIMIT = 20 << 30
# Headers that describe the next entry (long names, attributes) are read into memory as a whole.
_READ_LIMIT = 1 << 20
_PIECE = 1 << 20
_INPUT = 128 << 10
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# zlib's name for a gzip member with header and trailer, whose checksum and length it verifies.
_GZIP_MEMBER = 16 + zlib.MAX_WBITS


@contextlib.contextmanager
def open_layer(store: Store, descriptor: Descriptor, diff_id: Digest) -> Iterator["Stream"]:
    """Opens a layer of the store, and verifies its diffID and the checksum of its compression after the block.

    Raises ImageError if the layer is not a readable archive, also where the block reads it; and DigestMismatch.
    """
    # The compressed bytes were verified when they came.
    with store.path(descriptor.digest).open("rb") as blob, Stream(blob) as stream:
        try:
            yield stream
            digest = stream.digest()
        except AirbyteCiError:
            raise
        except UNREADABLE as error:
            raise ImageError(f"layer {diff_id.short} is not a readable archive ({error})") from error
    if digest != diff_id.hex:
        raise DigestMismatch(f"layer {descriptor.digest.short} does not match its diffID {diff_id.short}")


class Stream(io.RawIOBase):
    """The uncompressed bytes of a blob as a forward-only file. It decompresses ahead in another thread.

    `what` names the blob in errors.
    """

    def __init__(self, blob: io.BufferedReader, what: str = "a layer") -> None:
        self._what = what
        self._hasher = hashlib.sha256()
        self._pieces = _ahead(self._hashed(_plain(blob)))
        self._piece = memoryview(b"")
        self._position = 0
        self._archive: tarfile.TarFile | None = None
        # The last header read; after the last entry, this ended the archive.
        self.last = b""

    def _hashed(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        for piece in _large(pieces):
            self._hasher.update(piece)
            size += len(piece)
            check_size(size, self._what)
            yield piece

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Returns the next bytes: `size`, or as many as remain."""
        while size > 0 and (self._piece or self._fill()):
            part = self._piece[:size]
            self._piece = self._piece[len(part) :]
            self._position += len(part)
            size -= len(part)
            yield part

    def _fill(self) -> bool:
        self._piece = memoryview(next(self._pieces, b""))
        return bool(self._piece)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _READ_LIMIT:
            raise ImageError(f"{self._what} has a header of {size} bytes before an entry")
        self.last = b"".join(self.pieces(size))
        return self.last

    def entries(self) -> Iterator[tarfile.TarInfo]:
        """Yields the entries of the tar. Read the content of each before the next one. Raises UNREADABLE."""
        with tarfile.open(fileobj=self, mode="r:") as self._archive:
            while (member := self._archive.next()) is not None:
                self._archive.members.clear()  # type: ignore[attr-defined]  # it would remember every entry
                yield member

    def extract(self, member: tarfile.TarInfo) -> IO[bytes]:
        """Returns the content of the current entry, a regular file, with the holes of a sparse one."""
        assert self._archive is not None
        source = self._archive.extractfile(member)
        assert source is not None
        return source

    def content(self, size: int) -> Iterator[memoryview]:
        """Returns an entry's content of exactly this size, in bytes; raises ReadError if it is shorter."""
        for part in self.pieces(size):
            size -= len(part)
            yield part
        if size:
            raise tarfile.ReadError("unexpected end of data")

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self._position:
            raise ImageError(f"{self._what} has an entry of a negative size")
        for _ in self.pieces(offset - self._position):
            pass
        return self._position

    def digest(self) -> str:
        """Returns the sha256 (hex) of all bytes. Bytes after the end marker are part of it, so they are read first."""
        while self._fill():
            pass
        return self._hasher.hexdigest()

    def close(self) -> None:
        self._pieces.close()
        super().close()


def check_size(size: int, what: str = "a layer") -> None:
    """Raises ImageError if a layer exceeds the unpacking limit."""
    if not 0 <= size <= _SIZE_LIMIT:
        raise ImageError(f"{what} unpacks to more than {_SIZE_LIMIT >> 30} GiB")


def _ahead(pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yields the same pieces; another thread prepares the next one, because zlib and hashing release the GIL."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, pieces, b"")
        while piece := coming.result():
            coming = pool.submit(next, pieces, b"")
            yield piece


def _large(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Joins small pieces: layers with many gzip members have many."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE // 2:
            yield b"".join(waiting)
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)


def _plain(blob: io.BufferedReader) -> Iterator[bytes]:
    """Yields the uncompressed bytes; detects the compression from the first bytes, because media types can be wrong."""
    magic = blob.read(4)
    blob.seek(0)
    if magic == _ZSTD:
        return _from_zstd(blob)
    return _from_gzip(blob) if magic.startswith(_GZIP) else iter(lambda: blob.read(_PIECE), b"")


def _from_gzip(blob: io.BufferedReader) -> Iterator[bytes]:
    """Yields the bytes of all members (RFC 1952); zeros may follow a member, as on padded tapes."""
    data = blob.read(_INPUT)
    while data:
        member = zlib.decompressobj(_GZIP_MEMBER)
        full = False
        while not member.eof:
            if not data and not full and not (data := blob.read(_INPUT)):
                raise EOFError("compressed file ended before the end-of-stream marker was reached")
            piece = member.decompress(data, _PIECE)
            data, full = member.unconsumed_tail, len(piece) == _PIECE
            if piece:
                yield piece
        data = member.unused_data.lstrip(b"\0")
        while not data and (more := blob.read(_INPUT)):
            data = more.lstrip(b"\0")


def _from_zstd(blob: io.BufferedReader) -> Iterator[bytes]:
    import zstandard  # Imported here because few layers need it, and it takes a tenth of a build's import time.

    # A window larger than this is an attack on memory (RFC 8878 recommends 8 MiB, containerd's writers need more).
    decompressor = zstandard.ZstdDecompressor(max_window_size=64 << 20)
    reader = decompressor.stream_reader(blob, read_across_frames=True)
    try:
        while piece := reader.read(_PIECE):
            yield piece
    except zstandard.ZstdError as error:
        raise ImageError(f"a layer is not valid zstd ({error})") from error
