"""Divides subjects into shards by their names, so that the jobs of a CI matrix share the work without asking anyone."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from airbyte_ci.errors import UsageError
from airbyte_ci.hashing import sha256
from airbyte_ci.records import dataclass

T = TypeVar("T")
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `count` parts, from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Parses `I/N`; raises UsageError."""
        found = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", text.strip())
        index, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= index <= count <= _MOST:
            raise UsageError(
                f"--shard {text!r} is not a part of N parts, such as 2/8",
                advice=f"use --shard I/N with 1 ≤ I ≤ N ≤ {_MOST}",
            )
        return cls(index, count)

    def select(self, items: Sequence[T], name: Callable[[T], str]) -> tuple[T, ...]:
        """Returns the items of this shard in their order. Shards of equal items contain each item exactly once.

        The sizes of two shards differ by one at most. An added or removed item moves few others.
        """
        places = assign([name(item) for item in items], self.count)
        return tuple(item for item, place in zip(items, places, strict=True) if place == self.index)


def assign(names: Sequence[str], count: int) -> list[int]:
    """Returns the shard of each name: the one that its hash prefers most, of those that are not full.

    Each shard has a capacity: https://en.wikipedia.org/wiki/Rendezvous_hashing. The order of names does not matter.
    """
    least, more = divmod(len(names), count)
    room = {shard: least + (shard <= more) for shard in range(1, count + 1) if least or shard <= more}
    places = [0] * len(names)
    for position in sorted(range(len(names)), key=lambda at: (_hash(names[at]), names[at])):
        shard = _preferred(names[position], room)
        places[position] = shard
        room[shard] -= 1
        if not room[shard]:
            del room[shard]
    return places


def _preferred(name: str, shards: Iterable[int]) -> int:
    return max(shards, key=lambda shard: _hash(f"{shard}\0{name}"))


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape"))
