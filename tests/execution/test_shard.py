"""Shards: a division of names that every job of a CI matrix computes for itself."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.errors import UsageError
from airbyte_ci.execution.shard import Shard, assign

NAMES = st.lists(st.text(max_size=12), unique=True, max_size=60)


@given(NAMES, st.integers(1, 12), st.randoms(use_true_random=False))
def test_every_name_is_in_one_shard(names: list[str], count: int, chance: random.Random) -> None:
    """Each name is in exactly one shard, sizes differ by one at most, and the order of the names does not matter."""
    shards = [Shard(index, count).select(names, str) for index in range(1, count + 1)]
    assert sorted(name for shard in shards for name in shard) == sorted(names)
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    assert all([name for name in names if name in shard] == list(shard) for shard in shards)
    shuffled = list(names)
    chance.shuffle(shuffled)
    assert dict(zip(shuffled, assign(shuffled, count), strict=True)) == dict(
        zip(names, assign(names, count), strict=True)
    )


def test_a_new_name_moves_few_others() -> None:
    """A connector that is added to 400 moves only a few of them to another shard, so that caches stay useful."""
    names = [f"source-{number}" for number in range(400)]
    before = dict(zip(names, assign(names, 8), strict=True))
    after = dict(zip([*names, "source-new"], assign([*names, "source-new"], 8), strict=True))
    assert sum(before[name] != after[name] for name in names) < 20


def test_equal_names_are_divided_like_others() -> None:
    """Connectors of one name in two folders are both in a shard."""
    items = [("source-a", 1), ("source-a", 2), ("source-b", 3)]
    shards = [Shard(index, 2).select(items, lambda item: item[0]) for index in (1, 2)]
    assert sorted(item for shard in shards for item in shard) == items


@pytest.mark.parametrize("text", ["", "3", "0/2", "3/2", "-1/2", "1/0", "1/2/3", "a/b", "1/10001", "1.0/2", "²/3"])
def test_texts_that_are_no_shard(text: str) -> None:
    """Anything but I/N with 1 ≤ I ≤ N is refused with one line."""
    with pytest.raises(UsageError, match="is not a part of N parts"):
        Shard.parse(text)
    assert str(Shard.parse("2/8")) == "2/8"
