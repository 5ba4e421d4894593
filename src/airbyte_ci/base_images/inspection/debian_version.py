"""The order of Debian versions (deb-version(7)): in `1:2.36-9~b1`, `~` sorts before the end, letters before others."""

import functools
import re

_PARTS = re.compile(r"(\D*)(\d*)")
Key = tuple[int, tuple[tuple[tuple[int, ...], int], ...], tuple[tuple[tuple[int, ...], int], ...]]


@functools.lru_cache(maxsize=65536)
def key(version: str) -> Key:
    """Returns a key that sorts like the version; raises ValueError for an epoch that is not a number."""
    epoch, colon, rest = version.strip().partition(":")
    if not colon:
        epoch, rest = "0", version.strip()
    upstream, _, revision = rest.rpartition("-")
    if not upstream:
        upstream, revision = rest, "0"
    return int(epoch), _parts(upstream), _parts(revision)


def _parts(text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Returns alternating runs of non-digits and digits; the end sorts after `~` and before all else."""
    found = [(letters, number) for letters, number in _PARTS.findall(text) if letters or number]
    return (*((_order(letters), int(number or 0)) for letters, number in found), ((_END,), 0))


_END = 0


def _order(letters: str) -> tuple[int, ...]:
    return (*(_rank(letter) for letter in letters), _END)


def _rank(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
