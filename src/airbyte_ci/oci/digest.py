"""Digest: the name of bytes (OCI image-spec, descriptor.md#digests); knows hashing, not where bytes live."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from airbyte_ci.errors import ImageError


class Readable(Protocol):
    """Anything with `read(size)`; empty bytes at the end."""

    def read(self, size: int = -1, /) -> bytes: ...


_HEX = re.compile(r"[0-9a-f]{64}\Z")
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A sha256 digest that cannot be malformed; `str()` gives `sha256:<64 hex digits>`."""

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.match(self.hex):
            raise ImageError(f"{self.hex!r} is not a sha256 digest (64 lower-case hex digits)")

    def __str__(self) -> str:
        return f"sha256:{self.hex}"

    @property
    def short(self) -> str:
        """What people see: `sha256:` and the first twelve digits."""
        return f"sha256:{self.hex[:12]}"

    @classmethod
    def parse(cls, text: object) -> "Digest":
        """`sha256:…` as a Digest; raises ImageError for other algorithms and malformed text."""
        algorithm, _, rest = str(text).partition(":")
        if algorithm != "sha256":
            raise ImageError(f"{text!r} is not a supported digest (only sha256:… is supported)")
        return cls(rest)

    def to_json(self) -> str:
        return str(self)

    @classmethod
    def from_json(cls, text: object) -> "Digest":
        """What `to_json` wrote; raises ImageError."""
        return cls.parse(text)

    @classmethod
    def of(cls, data: bytes) -> "Digest":
        return cls(hashlib.sha256(data).hexdigest())

    @classmethod
    def of_stream(cls, stream: Readable) -> "Digest":
        """Reads the stream to its end, in constant memory."""
        hasher = hashlib.sha256()
        for chunk in chunks(stream):
            hasher.update(chunk)
        return cls(hasher.hexdigest())


def chunks(stream: Readable, size: int = CHUNK) -> Iterator[bytes]:
    """The stream's bytes, at most `size` at a time."""
    while chunk := stream.read(size):
        yield chunk
