"""The parts of a change that fail, found by trying them apart."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.campaigns.waves import culprits

PARTS = [f"package{number}" for number in range(16)]


@given(st.sets(st.sampled_from(PARTS), min_size=1, max_size=5))
def test_exactly_the_failing_parts_are_found(bad: set[str]) -> None:
    """If parts fail alone, each of them is found and no other one."""
    assert culprits.find(PARTS, lambda parts: bool(bad & {*parts})) == tuple(sorted(bad, key=PARTS.index))


def test_one_bad_part_needs_few_trials() -> None:
    """One of 16 parts is found with eight trials."""
    trials = []

    def fails(parts: Sequence[str]) -> bool:
        trials.append(parts)
        return "package11" in parts

    assert culprits.find(PARTS, fails) == ("package11",)
    assert len(trials) == 8


@given(st.sets(st.sampled_from(PARTS), min_size=2, max_size=2))
def test_parts_that_fail_only_together_are_both_named(pair: set[str]) -> None:
    """If no part fails alone, the smallest failing group that was found contains the parts that fail together."""
    found = culprits.find(PARTS, lambda parts: pair <= {*parts})
    assert pair <= {*found}
