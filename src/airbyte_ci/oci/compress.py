"""The one compressor: bytes → the only possible gzip members (RFC 1952); concatenated members are legal gzip.

Large inputs become several members of fixed input size, so that all cores can work on one of them
and the bytes do not depend on how many there are.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from functools import cache

LEVEL = 6
MEMBER_INPUT = 4 << 20
# No name, no time, no flags, and 255 for "unknown operating system": gzip modules of different Python versions
# write different values here, so the header is ours (facts: OS byte 0xff on 3.10, 0x03 on 3.11).
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GOLDEN = "bb5af4d626fe36acc5e9a0466a54f9a588dd7bb3e21f952efd469072d1672cee"


def member(data: bytes | memoryview) -> bytes:
    """One gzip member."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, 8, zlib.Z_DEFAULT_STRATEGY)
    body = compressor.compress(data) + compressor.flush()
    trailer = zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    return _HEADER + body + trailer


def members(data: bytes, executor: Executor | None = None) -> Iterable[bytes]:
    """The members for `data`, in order; compressed side by side when an executor is given."""
    pieces = _pieces(data)
    return executor.map(member, pieces) if executor else map(member, pieces)


def _pieces(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    for start in range(0, len(view), MEMBER_INPUT):
        yield view[start : start + MEMBER_INPUT]


@cache
def identity() -> str:
    """The compressor's name for annotations and keys.

    zlib does not promise the same bytes in every build of it, so a known input is compressed once per process:
    only a machine that gives the recorded bytes may claim the plain name, and with it the same manifest digest.
    """
    sample = b"".join(hashlib.sha256(str(n % 97).encode()).hexdigest().encode() for n in range(2048))
    golden = hashlib.sha256(member(sample)).hexdigest() == _GOLDEN
    return f"zlib-{LEVEL}" if golden else f"zlib-{LEVEL}+{zlib.ZLIB_RUNTIME_VERSION}"
