"""Patterns of hooks: what they mean, and that none takes long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.dagger import patterns
from airbyte_ci.dagger.patterns import matches


def _slow(path: str, pattern: str) -> bool:
    """The meaning as one regular expression, which backtracks: the oracle for short texts."""
    parts = re.findall(r"\*\*/|\*\*|\*|\?|[^*?]", pattern.strip("/").removeprefix("./"))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(meaning.get(part) or re.escape(part) for part in parts), path, re.DOTALL) is not None


@given(
    st.lists(st.sampled_from(["a", "b", "/", "*", "**", "**/", "?", "ab", "/**/"]), max_size=8).map("".join),
    st.text("ab/", max_size=10),
)
def test_few_and_many_stars_mean_the_same(pattern: str, path: str) -> None:
    """Whichever way a pattern is followed, it means what its regular expression does."""
    assert matches(path, pattern) == _slow(path, pattern)
    assert patterns._Automaton(patterns._tokens(pattern)).accepts(path) == _slow(path, pattern)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("**/*.py", ["a.py", "a/b.py"], ["a.pyc"]),
        ("[a-c]*[!d]*?**", ["axyz", "a/b/c"], ["d", "a"]),
        ("[z-a]", [], ["z", "a"]),
        ("[z-a]***?*a*b", [], ["z", "ab"]),
        ("[[]x", ["[x"], ["x"]),
        ("a**b*c", ["a/b/bc", "abc"], ["a/b"]),
        ("./a", ["a"], ["b"]),
    ],
)
def test_a_pattern_names_these_paths(pattern: str, matching: list[str], others: list[str]) -> None:
    """As fsutil, which Docker and Dagger use, has it."""
    assert [path for path in [*matching, *others] if matches(path, pattern)] == matching


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 500 + "b", "a" * 2_000),
        ("**/a/" * 200 + "b", "a/" * 1_000 + "c"),
        ("**a" * 300 + "b", "a/" * 1_000),
        ("*" * 5_000 + "b", "a" * 4_000),
        ("**/*" * 200 + "b", "a/" * 1_000),
        ("**/**/" * 500 + "b", "a/" * 2_000),
        ("?*" * 300 + "b", "a" * 2_000),
    ],
)
def test_no_pattern_takes_long(pattern: str, path: str) -> None:
    """Patterns that would occupy a backtracking matcher for hours are decided at once."""
    assert not matches(path, pattern)
