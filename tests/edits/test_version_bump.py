"""Semantic versions: their syntax, their successors, and their order."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.edits.versions import Part, bump, compare, is_semver
from airbyte_ci.errors import EditRefused


@pytest.mark.parametrize(
    ("version", "part", "expected"),
    [
        ("1.2.3", "patch", "1.2.4"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "major", "2.0.0"),
        ("0.9.9", "patch", "0.9.10"),
        ("1.2.3-rc.1", "patch", "1.2.3"),
        ("1.3.0-rc.1", "minor", "1.3.0"),
        ("2.0.0-rc.1", "major", "2.0.0"),
        ("1.2.3-rc.1", "minor", "1.3.0"),
        ("1.2.3+build", "patch", "1.2.4"),
    ],
)
def test_bump(version: str, part: Part, expected: str) -> None:
    """A bump gives the next version of its part, and of a pre-release of that part the release."""
    assert bump(version, part) == expected


@pytest.mark.parametrize("version", ["", "1.2", "v1.2.3", "1.2.3 ", "01.2.3", "latest", "1.2.3.4", "2021-11-01"])
def test_what_is_not_a_semantic_version_is_refused(version: str) -> None:
    """The refusal shows the text and the form that was expected."""
    assert not is_semver(version)
    with pytest.raises(EditRefused, match="is not a semantic version → write it as MAJOR"):
        bump(version, "patch")


def test_order() -> None:
    """Versions are ordered by number, and a pre-release is before its release."""
    ordered = ["0.9.0", "0.10.0-rc.1", "0.10.0-rc.2", "0.10.0", "0.10.1"]
    assert all(compare(one, other) < 0 for one, other in pairwise(ordered))
    assert compare("1.0.0+a", "1.0.0+b") == 0


number = st.integers(0, 10**6)


@given(st.tuples(number, number, number), st.sampled_from(["patch", "minor", "major"]))
def test_a_bump_is_greater(numbers: tuple[int, int, int], part: Part) -> None:
    """Whichever part is bumped, the version is greater."""
    old = ".".join(map(str, numbers))
    new = bump(old, part)
    assert compare(old, new) < 0
