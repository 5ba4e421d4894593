"""Compares RECORD with a wheel's members while they are read (wheel spec, PyPA).

RECORD decides nothing: the lock's hash covers the whole wheel, and every installer uses the archive's content. Defects
are collected and reported, and the image gets a correct RECORD.
"""

import base64
import csv
import hashlib
import posixpath
from collections.abc import Iterable
from typing import BinaryIO

from airbyte_ci import text

# "sha256 or better; specifically, md5, sha1 and sha224 are not permitted" (binary distribution format).
_ALGORITHMS = ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s")
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


class RecordFile:
    """The rows of a RECORD by path, and the defects found by comparing it with the archive."""

    def __init__(self, path: str, content: bytes) -> None:
        self._path = path
        self.defects: list[str] = []
        self._rows: dict[str, tuple[str, str]] = {}
        lines = content.decode("utf-8-sig", errors="replace").splitlines()
        try:
            for row in csv.reader(lines):
                self._add(row)
        except csv.Error as error:
            self.defects.append(f"it is unreadable ({error})")

    def _add(self, row: list[str]) -> None:
        if not row:
            return
        path = posixpath.normpath(row[0].replace("\\", "/"))
        if path != row[0]:
            self.defects.append(f"it writes {path} as {text.escape(row[0], 100)}")
        self._rows[path] = (row[1] if len(row) > 1 else "", row[2] if len(row) > 2 else "")

    def compare(self, path: str, stream: BinaryIO) -> "Compared":
        """Returns a reader of the member's bytes; after the last byte, a difference is a defect."""
        folder, name = posixpath.split(path)
        own = folder == posixpath.dirname(self._path) and name in ("RECORD", *_SIGNATURES)
        if path not in self._rows:
            if not own:
                self.defects.append(f"{path} is not in it")
            return Compared(stream, path, digest="", size="", defects=self.defects)
        digest, size = self._rows.pop(path)
        if not digest and not own:
            self.defects.append(f"it has no hash of {path}")
        algorithm = digest.partition("=")[0]
        if digest and algorithm not in _ALGORITHMS:
            self.defects.append(f"it has a weak hash of {path} ({text.escape(algorithm, 20)})")
            digest = ""
        return Compared(stream, path, digest=digest, size=size, defects=self.defects)

    def close(self, members: Iterable[str]) -> None:
        """Adds the rows that no member has."""
        there = {*members}
        self.defects += [f"it names {path}, which does not exist" for path in self._rows if path not in there]


class Compared:
    """A member's bytes; at the end, digest and size are compared with RECORD."""

    def __init__(self, stream: BinaryIO, path: str, digest: str, size: str, defects: list[str]) -> None:
        self._stream = stream
        self._path = path
        self._defects = defects
        algorithm, _, self._expected = digest.partition("=")
        self._hasher = hashlib.new(algorithm) if digest else None
        self._size = size
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if self._hasher:
            self._hasher.update(data)
            self._read += len(data)
            if not data or size < 0:
                self._compare(self._hasher.digest())
        return data

    def _compare(self, found: bytes) -> None:
        self._hasher = None
        # The specification requires no padding; some builders pad, and some write hex. The meaning is the same.
        accepted = (base64.urlsafe_b64encode(found).decode().rstrip("="), found.hex())
        if self._expected.rstrip("=") not in accepted or self._size not in ("", str(self._read)):
            self._defects.append(f"it has another hash or size of {self._path}")
