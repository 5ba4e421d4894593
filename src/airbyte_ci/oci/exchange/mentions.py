"""Finds digests in the text of documents and actions."""

import re
from collections.abc import Iterator

_HEX = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def find(text: bytes) -> Iterator[str]:
    """Yields each sha256 in a text, in hex, as often as it occurs."""
    return (item.decode() for item in _HEX.findall(text))
