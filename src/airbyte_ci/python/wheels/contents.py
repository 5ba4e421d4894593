"""Contents of files between a wheel and a segment: a few in memory, the rest in a folder.

Handles bytes and limits, not their meaning.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.tar import Extract

# Each thread reads its own wheel, so this limit applies per thread.
_HELD_AT_MOST = 8 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A file's bytes, or where they are on disk, with digest and size."""

    content: bytes | Extract
    digest: Digest
    size: int


class MemberContents:
    """Keeps contents as long as their folder exists; without a folder, keeps all of them in memory."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held = 0

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
        # One file for all: a wheel may have thousands, and to create and remove each takes longer than to write it.
        path = folder / "contents"
        hasher, size = hashlib.sha256(), 0
        with path.open("ab") as file:
            position = file.tell()
            for piece in pieces:
                file.write(piece)
                hasher.update(piece)
                size += len(piece)
        return Kept(Extract(path, position, size), Digest(hasher.hexdigest()), size)
