"""A source tree whose files ask for more than the lock has: told in one line, with each thing that is missing."""

import pytest

from airbyte_ci.errors import PackageError
from airbyte_ci.python import consistency
from tests.python.interpreters import cpython

VERSIONS = {"cdk": "2.0", "a": "1.5", "some-thing": "3.0rc1", "tree": ""}


def metadata(*requires: str) -> str:
    return "Metadata-Version: 2.1\nName: cdk\nVersion: 2.0\n" + "".join(f"Requires-Dist: {item}\n" for item in requires)


@pytest.mark.parametrize(
    "requires",
    [
        (),
        ("a",),
        ("A>=1,<2",),
        ("Some_Thing>=3.0rc1",),
        ("some.thing[extra]>=2",),
        ("missing; python_version < '3'",),
        ("missing; extra == 'more'",),
        ("tree>=7",),
    ],
)
def test_what_is_met_is_quiet(requires: tuple[str, ...]) -> None:
    """By normalised name, markers of the image's Python, and no extras; what has no version yet is believed."""
    consistency.confirm("cdk", metadata(*requires), VERSIONS, cpython())


@pytest.mark.parametrize(
    ("requires", "said"),
    [
        (("a>=2",), "a>=2 (1.5)"),
        (("missing",), "missing (not in the lock)"),
        (("a>=2", "missing~=1.0"), "a>=2 (1.5), missing~=1.0 (not in the lock)"),
        (("missing; platform_machine == 'x86_64'",), "missing (not in the lock)"),
        (("a ==",), "that cannot be read: 'a =='"),
    ],
)
def test_what_is_not_met_is_named(requires: tuple[str, ...], said: str) -> None:
    """One line, and what to do."""
    with pytest.raises(PackageError) as caught:
        consistency.confirm("cdk", metadata(*requires), VERSIONS, cpython())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
