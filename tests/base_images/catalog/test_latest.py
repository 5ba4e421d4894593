"""The latest usable base image for a connector, and the reasons against others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, shipped
from airbyte_ci.base_images.catalog.latest import admits, latest
from airbyte_ci.oci.reference import parse_pinned
from airbyte_ci.python.packages import constraints

REPOSITORY = "docker.io/airbyte/python-connector-base"


def version(number: str, python: str = "3.10", *, verified: bool = True, yanked: str = "") -> BaseImageVersion:
    address = parse_pinned(f"{REPOSITORY}:{number}@sha256:{'a' * 64}")
    return BaseImageVersion(
        repository=REPOSITORY, version=number, address=address, python=python, verified=verified, yanked=yanked
    )


def chosen(versions: list[BaseImageVersion], wanted: str = "") -> tuple[str | None, list[tuple[str, str]]]:
    choice = latest(versions, tuple(constraints.specifiers(wanted)) if wanted else ())
    return choice.version.version if choice.version else None, [(item.version, why) for item, why in choice.passed_over]


def test_the_newest_release_that_everything_admits() -> None:
    """Newer versions that are not chosen are reported with the reason; pre-releases are not reported."""
    versions = [
        version("5.0.0-rc.1"),
        version("4.1.0", "3.13"),
        version("4.0.0", yanked="it leaks"),
        version("3.0.0", verified=False),
        version("2.0.0"),
        version("1.0.0"),
    ]
    assert chosen(versions, "^3.9,<3.12") == (
        "2.0.0",
        [
            ("4.1.0", "has Python 3.13"),
            ("4.0.0", "yanked: it leaks"),
            ("3.0.0", "its digest is unverified"),
        ],
    )


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([], None),
        ([version("1.0.0-rc.1")], None),
        ([version("1.0.0", yanked="x")], None),
        ([version("1.0.0", verified=False)], None),
        ([version("1.0.0", "3.13")], None),
        ([version("1.0.0")], "1.0.0"),
    ],
    ids=["empty", "pre-release", "yanked", "sighted", "other Python", "good"],
)
def test_none_is_better_than_one_that_does_not_count(versions: list[BaseImageVersion], expected: str | None) -> None:
    """Without a usable version, none is chosen."""
    assert chosen(versions, "^3.9,<3.12")[0] == expected


def test_without_a_wish_every_python_is_admitted() -> None:
    """A connector that declares nothing gets the newest."""
    assert chosen([version("4.1.0", "3.13"), version("1.0.0", "3.9")]) == ("4.1.0", [])


@pytest.mark.parametrize(
    ("wanted", "python", "expected"),
    [
        ("^3.9,<3.12", "3.9.18", True),
        ("^3.9,<3.12", "3.11", True),
        ("^3.9,<3.12", "3.12", False),
        ("<3.11.5", "3.11", True),
        (">=3.11.5", "3.11", True),
        ("==3.9.*", "3.9", True),
        ("3.9 || 3.11.*", "3.11.4", True),
        ("3.9 || 3.11.*", "3.10.4", False),
        (">=3.13", "3.13.0rc2", False),
        (">=3.13.0rc1", "3.13.0rc2", True),
    ],
)
def test_a_minor_version_stands_for_its_patches(wanted: str, python: str, expected: bool) -> None:
    """X.Y.Z must be admitted itself; of X.Y it is enough that its first or its later patches are."""
    assert admits(tuple(constraints.specifiers(wanted)), python) is expected


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["3.9", "3.13"]), st.booleans(), st.booleans())))
def test_what_is_chosen_has_no_objection_and_nothing_better_was_there(
    rows: list[tuple[int, str, bool, bool]],
) -> None:
    """The first version without objections is chosen, and all before it are reported."""
    versions = [
        version(f"{number}.0.0", python, verified=verified, yanked="x" * yanked)
        for number, python, verified, yanked in rows
    ]
    good = [item for item in versions if item.python == "3.9" and item.verified and not item.yanked]
    choice = latest(versions, tuple(constraints.specifiers("<3.12")))
    assert choice.version == (good[0] if good else None)
    assert len(choice.passed_over) == (versions.index(good[0]) if good else len(versions))


@pytest.mark.parametrize("wanted", ["^3.9,<3.10", "^3.9,<3.11", "^3.9,<3.12", ">=3.9,<3.14", "^3.11"])
def test_the_shipped_catalog_has_a_base_for_real_connectors(wanted: str) -> None:
    """Every Python that real locks require has a usable base, except 3.12 and later."""
    choice = latest(shipped().of(REPOSITORY), tuple(constraints.specifiers(wanted)))
    assert choice.version is not None
    assert not choice.version.is_prerelease


def test_what_was_only_sighted_is_not_chosen_of_the_shipped_ones() -> None:
    """A version with an unverified digest is skipped with that reason; a user may still request it."""
    choice = latest(shipped().of("docker.io/airbyte/source-declarative-manifest"), ())
    assert choice.version is not None and choice.version.verified
    assert ("7.19.3", "its digest is unverified") in [(item.version, why) for item, why in choice.passed_over]
