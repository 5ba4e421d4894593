"""Digests, the names of bytes (OCI image-spec, descriptor.md#digests). Knows hashing, not where bytes are stored."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from airbyte_ci.errors import ImageError
from airbyte_ci.hashing import sha256
from airbyte_ci.records import dataclass


class Readable(Protocol):
    """Anything with `read(size)` that returns empty bytes at the end."""

    def read(self, size: int = -1, /) -> bytes: ...


_HEX = "0123456789abcdef"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A well-formed sha256 digest; `str()` returns `sha256:<64 hex digits>`."""

    hex: str

    def __post_init__(self) -> None:
        if len(self.hex) != 64 or self.hex.strip(_HEX):
            raise ImageError(f"{self.hex!r} is not a sha256 digest (64 lower-case hex digits)")

    def __str__(self) -> str:
        return f"sha256:{self.hex}"

    @property
    def short(self) -> str:
        """Returns the form for people: `sha256:` and the first twelve digits."""
        return f"sha256:{self.hex[:12]}"

    @classmethod
    def parse(cls, text: object) -> "Digest":
        """Parses `sha256:…`; raises ImageError for other algorithms and malformed text."""
        algorithm, _, rest = str(text).partition(":")
        if algorithm != "sha256":
            raise ImageError(f"{text!r} is not a supported digest (only sha256:… is supported)")
        return cls(rest)

    def to_json(self) -> str:
        return str(self)

    @classmethod
    def from_json(cls, text: object) -> "Digest":
        """Parses the output of `to_json`; raises ImageError."""
        return cls.parse(text)

    @classmethod
    def of(cls, data: bytes) -> "Digest":
        return cls(sha256(data))

    @classmethod
    def of_stream(cls, stream: Readable) -> "Digest":
        """Hashes the stream to its end, in constant memory."""
        return cls.of_pieces(chunks(stream))

    @classmethod
    def of_pieces(cls, pieces: Iterable[bytes]) -> "Digest":
        """Hashes the joined pieces, one after the other."""
        import hashlib  # loads OpenSSL, for large data

        hasher = hashlib.sha256()
        for piece in pieces:
            hasher.update(piece)
        return cls(hasher.hexdigest())


def chunks(stream: Readable, size: int = CHUNK) -> Iterator[bytes]:
    """Yields the stream's bytes in chunks of at most `size`."""
    while chunk := stream.read(size):
        yield chunk
