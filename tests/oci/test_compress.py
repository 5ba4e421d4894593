"""The compressor: legal gzip, and the same bytes however many cores worked on it."""

import gzip
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.oci import compress


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
    """CI runs on a zlib that gives the golden bytes; elsewhere the name carries zlib's version."""
    assert compress.identity().startswith("zlib-6")
