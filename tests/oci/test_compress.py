"""The compressor: legal gzip, and the same bytes however many cores worked on it."""

import gzip
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
    """Pieces are cut by input size alone, so two threads and none give the same members."""
    data = bytes(range(256)) * (compress.MEMBER_INPUT * 2 // 256) + b"x" * 10
    data = data[: compress.MEMBER_INPUT * 2 + extra]
    with ThreadPoolExecutor(2) as executor:
        together = list(compress.members(data, executor))
    assert together == list(compress.members(data))
    assert len(together) == (3 if extra > 0 else 2)
    assert gzip.decompress(b"".join(together)) == data


def test_the_header_says_nothing_about_the_machine() -> None:
    """No name, no time, unknown operating system, and no bytes for no input."""
    assert compress.member(b"x")[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert list(compress.members(b"")) == []


def test_this_machine_has_the_recorded_compressor() -> None:
    """CI runs on a zlib that gives the golden bytes; elsewhere the name carries zlib's version."""
    assert compress.identity().startswith("zlib-6")
