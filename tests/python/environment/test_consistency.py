"""Packages with requirements that the lock does not meet: one line names each missing item."""

from pathlib import Path

import pytest

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment import consistency
from airbyte_ci.python.environment.consistency import Unmet
from airbyte_ci.python.packages.lock import LockedFile
from tests.python import sample_wheels
from tests.python.interpreters import cpython

VERSIONS = {"cdk": "2.0", "a": "1.5", "some-thing": "3.0rc1", "tree": ""}


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
    """By normalized name and the image's markers, without extras; an unknown version is accepted."""
    consistency.confirm("cdk", requires, VERSIONS, cpython())


@pytest.mark.parametrize(
    ("requires", "said"),
    [
        (("a>=2",), "a>=2 (1.5)"),
        (("missing",), "missing (not in the lock)"),
        (("a>=2", "missing~=1.0"), "a>=2 (1.5), missing~=1.0 (not in the lock)"),
        (("missing; platform_machine == 'x86_64'",), "missing (not in the lock)"),
        (("a ==",), "has an invalid requirement: 'a =='"),
    ],
)
def test_what_is_not_met_is_named(requires: tuple[str, ...], said: str) -> None:
    """One line, and what to do."""
    with pytest.raises(PackageError) as caught:
        consistency.confirm("cdk", requires, VERSIONS, cpython())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_wheels_lack_of_each_other_is_found() -> None:
    """Each package and requirement once, missing or of another version; unreadable requirements are treated as met."""
    packages = [("cdk", ("a>=2", "a>=2", "gone", "a ==")), ("a", ("cdk==2.0", "late; extra == 'x'"))]
    found = consistency.unmet(packages, VERSIONS, cpython())
    assert found == (Unmet("cdk", "a>=2", "1.5"), Unmet("cdk", "gone", ""))
    assert [str(item) for item in found] == [
        "cdk requires a>=2, 1.5 is installed",
        "cdk requires gone, which is not installed",
    ]


def test_what_extras_need_is_missed() -> None:
    """Extras that the connector or a package requests, also through others of the same package: `all = ["a[x]"]`."""
    packages = [
        ("a", ("a[x] ; extra == 'all'", "gone ; extra == 'x'", "never ; extra == 'y'")),
        ("cdk", ("some-thing[more] ; python_version >= '3'",)),
        ("some-thing", ("late ; extra == 'more'",)),
    ]
    found = consistency.unmet(packages, VERSIONS, cpython(), {"a": {"all"}})
    assert found == (Unmet("a", "gone", ""), Unmet("some-thing", "late", ""))
    assert consistency.unmet(packages, VERSIONS, cpython()) == (Unmet("some-thing", "late", ""),)


@pytest.mark.parametrize(
    ("item", "met"),
    [
        (Unmet("cdk", "Setup_Tools>=60", ""), True),
        (Unmet("cdk", "setup-tools>=70", ""), False),
        (Unmet("cdk", "other", ""), False),
        (Unmet("cdk", "setup-tools>=60", "50"), False),
        (Unmet("cdk", "odd>=1", ""), True),
    ],
)
def test_the_base_may_have_what_is_missing(item: Unmet, met: bool) -> None:
    """A distribution of the base is used if the lock has none of that name, in a matching version."""
    assert item.met_by({"setup-tools": "65.5.0", "odd": "not a version"}) is met


def test_requirements_are_read_of_the_wheel_once(tmp_path: Path) -> None:
    """Requires-Dist of METADATA; remembered, so that the wheel need not be opened again."""
    text = sample_wheels.METADATA.format(name="demo", version="1.0")
    text += "Requires-Dist: a>=1\nRequires-Dist: b\n\nRequires-Dist: no\n"
    path = sample_wheels.make(tmp_path, files={"demo-1.0.dist-info/METADATA": text})
    store = Store(tmp_path / "store")
    digest = store.put(path.read_bytes())
    file = LockedFile(path.name, digest.hex)
    assert consistency.of_wheel(store, file) == ("a>=1", "b")
    store.path(digest).unlink()
    assert consistency.of_wheel(store, file) == ("a>=1", "b")
