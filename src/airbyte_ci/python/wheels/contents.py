"""Contents of files between a wheel and a segment: a few in memory, the rest in a folder.

Handles bytes and limits, not their meaning.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from airbyte_ci.oci.digest import Digest

# Each thread reads its own wheel, so this limit applies per thread.
_HELD_AT_MOST = 8 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A file's bytes, or the file on disk that holds them, with digest and size."""

    content: bytes | Path
    digest: Digest
    size: int


class MemberContents:
    """Keeps contents as long as their folder exists; without a folder, keeps all of them in memory."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held = 0
        self._written = 0

    def keep(self, pieces: Iterator[bytes]) -> Kept:
        """Keeps the joined pieces; reads them to the end."""
        first = next(pieces, b"")
        second = next(pieces, b"")
        if self._folder is None:
            first += b"".join((second, *pieces))
        elif second or self._held + len(first) > _HELD_AT_MOST:
            return self._write(self._folder, chain((first, second), pieces))
        self._held += len(first)
        return Kept(first, Digest.of(first), len(first))

    def _write(self, folder: Path, pieces: Iterator[bytes]) -> Kept:
        path = folder / f"content-{self._written}"
        self._written += 1
        hasher, size = hashlib.sha256(), 0
        with path.open("xb") as file:
            for piece in pieces:
                file.write(piece)
                hasher.update(piece)
                size += len(piece)
        return Kept(path, Digest(hasher.hexdigest()), size)
