"""What RECORD promises of a wheel's member, held against its bytes while they are read (wheel spec, PyPA)."""

import base64
import hashlib
from typing import BinaryIO

# "sha256 or better; specifically, md5, sha1 and sha224 are not permitted" (binary distribution format).
_ALGORITHMS = ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s")


class Verified:
    """A member's bytes; reading past the last one raises ValueError if they are not those of RECORD.

    `digest` and `size` are RECORD's cells; empty ones, which only RECORD and its signatures may have, promise nothing.
    """

    def __init__(self, stream: BinaryIO, path: str, digest: str, size: str) -> None:
        self._stream = stream
        self._path = path
        algorithm, _, self._expected = digest.partition("=")
        if digest and algorithm not in _ALGORITHMS:
            raise ValueError(f"RECORD has a hash of {path} that counts for nothing ({algorithm})")
        self._hasher = hashlib.new(algorithm) if digest else None
        self._left = int(size) if size else 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if self._hasher:
            self._hasher.update(data)
            self._left -= len(data)
            if not data or size < 0:
                self._verify(self._hasher.digest())
        return data

    def _verify(self, found: bytes) -> None:
        # Without padding, says the specification; some builders pad, and some write hex. The promise is the same.
        accepted = (base64.urlsafe_b64encode(found).decode().rstrip("="), found.hex())
        if self._expected.rstrip("=") not in accepted or self._left:
            raise ValueError(f"hash / size of {self._path} didn't match RECORD")
