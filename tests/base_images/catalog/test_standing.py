"""Whether a version may still be used, and what it is called: entries, names, yanks and the end of support."""

from dataclasses import replace
from datetime import date

import pytest

from airbyte_ci.base_images.catalog import catalog, standing, usage
from airbyte_ci.base_images.catalog.latest import latest
from airbyte_ci.errors import ConfigurationError, ImageError, UsageError

OURS, THEIRS = "acme.example/team/base", "docker.io/airbyte/base"
A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")
TODAY = date(2026, 11, 24)
TEXT = f"""
{OURS}:
- {{version: 1.2.0, address: '{OURS}:1.2.0@{B}', python: '3.11', platforms: {{linux/amd64: '{C}'}}}}
- {{version: 1.1.0, address: '{OURS}:1.1.0@{A}', python: '3.11', yanked: it leaks, supported-until: 2020-01-01}}
- {{version: 1.0.0, address: '{OURS}:1.0.0@{D}', python: '3.11', supported-until: 2026-11-23, requires-platform: 1.4.0}}
{THEIRS}:
- {{version: 1.2.0, address: '{THEIRS}:1.2.0@{A}', python: '3.9'}}
"""
KNOWN = catalog.parse(TEXT, "x")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.1.0", (OURS, "1.1.0")),
        ("base:1.0.0", (OURS, "1.0.0")),
        ("team/base:1.2.0", (OURS, "1.2.0")),
        (f"{THEIRS}:1.2.0", (THEIRS, "1.2.0")),
        ("airbyte/base:1.2.0", (THEIRS, "1.2.0")),
        (f"{OURS}:1.0.0@{D}", (OURS, "1.0.0")),
        (D, (OURS, "1.0.0")),
        ("1.2.0", None),
        ("am/base:1.2.0", None),
        ("9.9.9", None),
        (f"{OURS}:1.0.0@{A}", None),
    ],
)
def test_a_version_is_found_by_what_people_call_it(text: str, found: tuple[str, str] | None) -> None:
    """By version, by the end of a repository's name, by digest; an ambiguous name is refused with both names."""
    if found is None:
        with pytest.raises(UsageError):
            KNOWN.named(text)
        return
    item = KNOWN.named(text)
    assert (item.repository, item.version) == found


def test_the_repository_that_counts_is_meant() -> None:
    """A bare version is that of the first configured repository that has it."""
    assert KNOWN.named("1.2.0", [THEIRS, OURS]).repository == THEIRS
    assert KNOWN.named("1.2.0", ["nobody/knows", OURS]).repository == OURS


def test_a_digest_may_be_of_a_platform_or_of_several_versions() -> None:
    """A platform's own address is its version's, and the same digest in another repository is another image."""
    found = KNOWN.find(f"{OURS}@{C}")
    assert found is not None
    assert found.version == "1.2.0"
    twice = KNOWN.replacing(replace(found, version="1.2.0-rc.1"))
    assert [item.version for item in twice.all_of(found.address)] == ["1.2.0", "1.2.0-rc.1"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"{OURS}:1.1.0@{A}", "base 1.1.0 was yanked: it leaks; move to 1.2.0"),
        (f"{OURS}:1.0.0@{D}", "base 1.0.0 is not supported after 2026-11-23"),
        (f"{OURS}:1.2.0@{B}", ""),
        (f"{THEIRS}:1.2.0@{A}", ""),
        ("unknown.example/x:1", ""),
        ("NO ADDRESS", ""),
    ],
)
def test_building_warns(address: str, words: str) -> None:
    """Yanked first, then expired; usable and unknown versions are not mentioned."""
    said = standing.warning(KNOWN, address, TODAY)
    assert said.startswith(words)
    assert bool(said) == bool(words)
    assert "\n" not in said


def test_a_yanked_version_is_refused() -> None:
    """The error has the refused address, the reason and a replacement; the yank's replacement precedes the newest."""
    with pytest.raises(ImageError) as caught:
        standing.refuse(KNOWN, f"{OURS}:1.1.0@{A}", "upgrading source-x")
    assert str(caught.value) == "upgrading source-x: base 1.1.0 was yanked: it leaks → move to 1.2.0"
    standing.refuse(KNOWN, f"{OURS}:1.0.0@{D}", "upgrading source-x")
    yanked = replace(KNOWN.named("1.1.0"), replaced_by="1.0.0")
    assert standing.replacement(KNOWN.replacing(yanked), yanked) == "1.0.0"


def test_what_is_over_or_needs_a_later_platform_is_passed_over() -> None:
    """Only with a day and a platform; the last day is included, and versions are compared by numbers."""
    old = [KNOWN.named("1.0.0")]
    assert latest(old, ()).version is not None
    assert latest(old, (), today=date(2026, 11, 23)).version is not None
    assert latest(old, (), today=TODAY).passed_over[0][1] == "is not supported after 2026-11-23"
    assert latest(old, (), platform="1.10.0").version is not None
    assert latest(old, (), platform="1.3.9").passed_over[0][1] == "needs the platform 1.4.0 or later"


def test_an_entry_reads_back_whole() -> None:
    """Days, platforms and reasons survive a file."""
    assert catalog.parse(catalog.dump(KNOWN), "x") == KNOWN


@pytest.mark.parametrize(
    "entry",
    [
        f"{{version: 1.0.0, address: 'a/b@{A}', python: '3.9', supported-until: soon}}",
        f"{{version: 1.0.0, address: 'a/b@{A}', python: '3.9', platforms: {{linux/amd64: x}}}}",
        f"{{version: 1.0.0, address: 'a/b@{A}', python: '3.9', yankt: x}}",
    ],
)
def test_an_entry_that_is_not_right_is_told(entry: str) -> None:
    """An invalid day, an invalid digest, an unknown key."""
    with pytest.raises(ConfigurationError, match="is invalid: an entry of a/b"):
        catalog.parse(f"a/b:\n- {entry}\n", "x")


def test_users_are_counted_by_what_they_pin() -> None:
    """Each connector on the version whose digest it has; those on unknown images on none."""
    addresses = [("x", f"{OURS}:1.2.0@{B}"), ("y", f"{OURS}@{C}"), ("z", "other.example/x:1"), ("w", None)]
    assert usage.users(KNOWN, addresses) == {(OURS, "1.2.0"): ["x", "y"]}
