"""Digests are well formed or do not exist, and the same whichever way bytes are read."""

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.digest import Digest, chunks

HEX = "a" * 64


@given(st.binary(max_size=5000))
def test_a_digest_is_its_own_spelling(data: bytes) -> None:
    """The printed form parses back, and is sha256 of the bytes, streamed or whole."""
    digest = Digest.of(data)
    assert Digest.parse(str(digest)) == digest == Digest.of_stream(io.BytesIO(data))
    assert str(digest) == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert str(digest).startswith(digest.short)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        HEX,
        f"sha256:{HEX.upper()}",
        f"sha256:{HEX}\n",
        f"sha256:{HEX}0",
        f"sha256:{HEX[:-1]}",
        f"sha256:{'g' * 64}",
        f"sha512:{HEX * 2}",
        f"sha256:../{HEX[3:]}",
        f" sha256:{HEX}",
        None,
        7,
        {"sha256": HEX},
    ],
    ids=repr,
)
def test_malformed_digests_are_refused(text: object) -> None:
    """A text that is not exactly a sha256 digest never becomes a name of a file."""
    with pytest.raises(ImageError):
        Digest.parse(text)


@given(st.binary(max_size=300), st.integers(1, 64))
def test_chunks_are_the_stream(data: bytes, size: int) -> None:
    """Chunks joined are the stream, none is empty and none too large."""
    pieces = list(chunks(io.BytesIO(data), size))
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= size for piece in pieces)
