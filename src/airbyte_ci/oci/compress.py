"""The one compressor: bytes → the only possible gzip members (RFC 1952); concatenated members are legal gzip.

libdeflate ships with airbyte-ci at a pinned version, so the bytes do not depend on the machine's zlib. Large inputs
become several members of fixed input size, so that all cores can work on one of them and the bytes do not depend on
how many cores there are.
"""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import deflate

from airbyte_ci.oci.digest import Readable, chunks

LEVEL = 6
MEMBER_INPUT = 4 << 20
_LARGE = 4 * MEMBER_INPUT
# More would hold more pieces in memory than builds may take.
WORKERS = min(6, os.cpu_count() or 1)
_all_cores = threading.Lock()
# No name, no time, no flags, and 255 for "unknown operating system": gzip modules of different Python versions
# write different values here, so the header is ours (facts: OS byte 0xff on 3.10, 0x03 on 3.11).
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GOLDEN = "2f74e56882b6a3f5d0355b760361080fcd57690d386c9a173a5904d358d5b363"


def member(data: bytes | memoryview) -> bytes:
    """One gzip member."""
    body = deflate.deflate_compress(data, LEVEL)
    trailer = deflate.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    return _HEADER + body + trailer


def members(source: Readable, size: int) -> Iterator[bytes]:
    """The members for a source of about this size (bytes), in order; a large one's are made on all cores.

    Only one large source at a time uses all cores, which bounds the memory.
    """
    if size < _LARGE or not _all_cores.acquire(blocking=False):
        yield from map(member, chunks(source, MEMBER_INPUT))
        return
    try:
        # Threads of its own: who calls may be one of a pool's, which would wait for itself.
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
    """The compressor's name for annotations and keys.

    A build of libdeflate may be linked to another version, so a known input is compressed once per process: only a
    machine that gives the recorded bytes may claim the plain name, and with it the same manifest digest.
    """
    sample = b"".join(hashlib.sha256(str(n % 97).encode()).hexdigest().encode() for n in range(2048))
    found = hashlib.sha256(member(sample)).hexdigest()
    return f"libdeflate-{LEVEL}" if found == _GOLDEN else f"libdeflate-{LEVEL}+{found[:12]}"
