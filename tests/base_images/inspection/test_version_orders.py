"""The orders of Alpine's and Maven's versions, by the examples in their specifications."""

import itertools

import pytest

from airbyte_ci.base_images.inspection import alpine_version, maven_version

ALPINE = (
    *("0.1.0_alpha", "0.1.0_alpha1", "0.1.0_beta2", "0.1.0_pre3", "0.1.0_rc1", "0.1.0", "0.1.0-r1"),
    *(
        "0.1.0-r2",
        "0.1.0_git20240101",
        "0.1.0_p1",
        "0.1.0_p1-r1",
        "0.1.1",
        "0.2",
        "0.2b",
        "0.10",
        "1.0.02",
        "1.0.1",
        "2.34",
        "10.0",
    ),
)
MAVEN = (
    *("1-alpha-1", "1-beta-1", "1-milestone-1", "1-rc-1", "1-snapshot", "1", "1-sp", "1-foo2", "1-foo10"),
    *("1-1", "1.0.1", "1.1-rc1", "1.1", "1.2", "1.10", "2.0.9", "2.13.4.2", "2.14", "33.0.0-jre"),
)


@pytest.mark.parametrize(("order", "versions"), [(alpine_version.key, ALPINE), (maven_version.key, MAVEN)])
def test_versions_are_in_this_order(order: object, versions: tuple[str, ...]) -> None:
    """Each version is older than all that follow."""
    assert callable(order)
    for one, other in itertools.combinations(versions, 2):
        assert order(one) < order(other), (one, other)
        assert not order(other) < order(one), (one, other)


@pytest.mark.parametrize(
    "same",
    [
        ("1", "1.0", "1.0.0", "1-ga", "1.ga", "1-0", "1-final", "1-release"),
        ("1-a1", "1-alpha-1"),
        ("1.1-cr2", "1.1-rc2", "1.1-RC2"),
        ("1-foo", "1.foo"),
    ],
)
def test_spellings_of_one_version_of_maven_are_equal(same: tuple[str, ...]) -> None:
    """Zeros and words for a release can be left out; words have short forms."""
    for one, other in itertools.combinations(same, 2):
        assert maven_version.key(one) == maven_version.key(other), (one, other)


def test_another_form_is_no_version_of_alpine() -> None:
    """A word that Alpine does not know has no place in the order."""
    for text in ("", "x", "1.0_new1", "1..2"):
        with pytest.raises(ValueError, match="is not a version of Alpine"):
            alpine_version.key(text)
