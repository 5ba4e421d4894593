"""The dependents of a package, by the packages' metadata."""

from airbyte_ci.images.askers import askers
from tests.python.interpreters import cpython


def test_requirements_of_metadata_are_followed() -> None:
    """Names are normalized, markers hold for the image, an extra applies if another package requests it."""
    found = askers(
        {
            "top": ["Mid.Dle[Fast]>=1", "old; python_version < '3'", "not a requirement at all"],
            "mid-dle": ["speedy; extra == 'fast'", "slow; extra == 'other'", "mid-dle[more]", "shared"],
            "speedy": ["shared", "top"],
            "shared": [],
        },
        cpython().markers,
    )
    assert found == {
        "mid-dle": {"top"},
        "speedy": {"mid-dle"},
        "shared": {"mid-dle", "speedy"},
        "top": {"speedy"},
    }


def test_an_extra_is_asked_for_by_whoever_comes_first() -> None:
    """The order of packages does not matter: extras are followed until nothing is new."""
    requires = {"a": ["b; extra == 'x'"], "b": ["c; extra == 'y'"], "z": ["a[x]", "b[y]"]}
    assert askers(requires, cpython().markers) == {"a": {"z"}, "b": {"a", "z"}, "c": {"b"}}
