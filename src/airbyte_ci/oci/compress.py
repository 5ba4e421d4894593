"""The only compressor: bytes → deterministic gzip members (RFC 1952). Concatenated members are valid gzip.

libdeflate ships with airbyte-ci at a pinned version, so the bytes do not depend on the machine's zlib. Large inputs
become several members of a fixed input size. All cores can compress one input, and the bytes do not depend on their
number.
"""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import deflate

from airbyte_ci.oci.digest import Readable, chunks

if TYPE_CHECKING:  # slow to import, and only large inputs need threads
    from concurrent.futures import Future

LEVEL = 6
MEMBER_INPUT = 4 << 20
_LARGE = 4 * MEMBER_INPUT
# A higher value would keep more pieces in memory than builds may use.
WORKERS = min(6, os.cpu_count() or 1)
_all_cores = threading.Lock()
# No name, no time, no flags, and 255 for "unknown operating system": the gzip modules of Python versions write
# different values (OS byte 0xff on 3.10, 0x03 on 3.11), so airbyte-ci writes the header itself.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GOLDEN = "2f74e56882b6a3f5d0355b760361080fcd57690d386c9a173a5904d358d5b363"


def member(data: bytes | memoryview) -> bytes:
    """Returns one gzip member."""
    body = deflate.deflate_compress(data, LEVEL)
    trailer = deflate.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    return _HEADER + body + trailer


def members(source: Readable, size: int) -> Iterator[bytes]:
    """Yields the members of a source of about this size (bytes) in order; large ones are compressed on all cores.

    Only one large source at a time uses all cores, which bounds the memory.
    """
    if size < _LARGE or not _all_cores.acquire(blocking=False):
        yield from map(member, chunks(source, MEMBER_INPUT))
        return
    try:
        from concurrent.futures import ThreadPoolExecutor

        # Its own threads: a caller that runs in a pool would wait for itself.
        with ThreadPoolExecutor(WORKERS) as pool:
            waiting: deque[Future[bytes]] = deque()
            for piece in chunks(source, MEMBER_INPUT):
                waiting.append(pool.submit(member, piece))
                if len(waiting) > WORKERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        _all_cores.release()


@cache
def identity() -> str:
    """Returns the compressor's name for annotations and keys.

    libdeflate may be linked in another version, so each process compresses a known input once. Only a machine that
    produces the recorded bytes uses the plain name, and with it the same manifest digest.
    """
    sample = b"".join(hashlib.sha256(str(n % 97).encode()).hexdigest().encode() for n in range(2048))
    found = hashlib.sha256(member(sample)).hexdigest()
    return f"libdeflate-{LEVEL}" if found == _GOLDEN else f"libdeflate-{LEVEL}+{found[:12]}"
