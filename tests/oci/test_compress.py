"""The compressor: legal gzip, and the same bytes however many cores worked on it."""

import gzip
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.oci import compress

pytestmark = pytest.mark.slow


@given(st.lists(st.binary(max_size=2000), max_size=6))
def test_members_joined_unpack_to_the_inputs_joined(pieces: list[bytes]) -> None:
    """Concatenated members are legal gzip (RFC 1952, section 2.2)."""
    joined = b"".join(map(compress.member, pieces))
    assert gzip.decompress(joined) == b"".join(pieces)


@pytest.mark.parametrize("extra", [-1, 0, 1], ids=["below", "exact", "above"])
def test_bytes_do_not_depend_on_the_number_of_workers(extra: int) -> None:
    """Pieces are cut by input size alone, so large sources at once give what one that is called small does."""
    data = bytes(range(256)) * (compress.MEMBER_INPUT * 9 // 256) + b"x" * 10
    data = data[: compress.MEMBER_INPUT * 9 + extra]
    alone = list(compress.members(io.BytesIO(data), 0))
    with ThreadPoolExecutor(3) as executor:
        found = executor.map(lambda _: list(compress.members(io.BytesIO(data), len(data))), range(3))
    assert all(together == alone for together in found)
    assert len(alone) == (10 if extra > 0 else 9)
    assert gzip.decompress(b"".join(alone)) == data


def test_a_large_source_that_breaks_off_leaves_the_cores_to_the_next() -> None:
    """An error on the way passes as it is; so does a reader that stops in the middle."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > compress.MEMBER_INPUT * 3:
                raise OSError("broken")
            return super().read(size)

    data = bytes(compress.MEMBER_INPUT * 5)
    with pytest.raises(OSError, match="broken"):
        list(compress.members(Broken(data), len(data)))
    stopped = compress.members(io.BytesIO(data), len(data))
    next(stopped)
    assert compress._all_cores.locked()
    del stopped
    assert not compress._all_cores.locked()


def test_the_header_says_nothing_about_the_machine() -> None:
    """No name, no time, unknown operating system, and no bytes for no input."""
    assert compress.member(b"x")[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert list(compress.members(io.BytesIO(), 0)) == []


def test_this_machine_has_the_recorded_compressor() -> None:
    """The pinned libdeflate gives the recorded bytes, so the compressor has its plain name."""
    assert compress.identity() == "libdeflate-6"


@pytest.mark.parametrize("processor", ["qemu64", "Nehalem", "Haswell", "max"])
def test_bytes_do_not_depend_on_the_processor(processor: str) -> None:
    """libdeflate picks its code by the processor's features; on emulated processors the bytes are the same."""
    script = """
import hashlib, random, sys, zlib
sys.path[:0] = sys.argv[1:]
from airbyte_ci.oci import compress
source = random.Random(7)
words = [bytes(source.randrange(256) for _ in range(source.randrange(1, 40))) for _ in range(500)]
data = b"".join(source.choice(words) for _ in range(60_000)) + source.randbytes(100_000)
print(compress.identity(), hashlib.sha256(compress.member(data)).hexdigest())
"""
    here = [sys.executable, "-S", "-c", script, *sys.path]
    command = ["qemu-x86_64", "-cpu", processor, os.path.realpath(sys.executable), *here[1:]]
    outputs = [subprocess.run(argv, capture_output=True, check=True).stdout for argv in (here, command)]
    assert outputs[0] == outputs[1]
    assert outputs[0].startswith(b"libdeflate-6 ")
