"""Series of base images: versions built on others, cautions, and staying inside a series."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from airbyte_ci.base_images.catalog import catalog, ranges, series, standing
from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.base_images.catalog.latest import latest
from airbyte_ci.errors import ConfigurationError, ImageError

PYTHON = "docker.io/airbyte/python-connector-base"
MANIFEST = "docker.io/airbyte/source-declarative-manifest"
JAVA = "docker.io/airbyte/java-connector-base"


TODAY = date(2026, 11, 29)


def _digest(number: int) -> str:
    return f"sha256:{number:064x}"


THREE_LEVELS = f"""
{PYTHON}:
- {{version: 1.0.0, address: "{PYTHON}:1.0.0@{_digest(1)}", python: "3.11"}}
- {{version: 1.0.1, address: "{PYTHON}:1.0.1@{_digest(2)}", python: "3.11"}}
{MANIFEST}:
- {{version: 6.0.0, address: "{MANIFEST}:6.0.0@{_digest(3)}", python: "3.11", built-on: "{PYTHON}:1.0.0"}}
- {{version: 6.0.1, address: "{MANIFEST}:6.0.1@{_digest(4)}", python: "3.11", built-on: "{PYTHON}:1.0.1"}}
acme.example/base:
- version: 1.0.0
  address: "acme.example/base:1.0.0@{_digest(5)}"
  python: "3.11"
  series: source-declarative-manifest
  built-on: "{MANIFEST}:6.0.0@{_digest(3)}"
"""


def _known() -> Catalog:
    return catalog.parse(THREE_LEVELS, "a test")


def test_a_withdrawal_reaches_everything_built_above() -> None:
    """Yanking a Python base withdraws the framework bases on it and what is built on those, and nothing else."""
    known = _known()
    broken = known.named(f"{PYTHON}:1.0.0")
    after = known.replacing(replace(broken, yanked="broken TLS"))
    withdrawn = {f"{item.repository}:{item.version}" for item in after.versions if item.withdrawal}
    assert withdrawn == {f"{PYTHON}:1.0.0", f"{MANIFEST}:6.0.0", "acme.example/base:1.0.0"}
    top = after.named("acme.example/base:1.0.0")
    assert top.withdrawal == "built on python-connector-base 1.0.0, which was yanked: broken TLS"
    with pytest.raises(ImageError, match=r"is built on python-connector-base 1\.0\.0, which was yanked"):
        standing.refuse(after, str(top.address), "publishing")
    assert "move to 6.0.1" in standing.warning(after, str(after.named(f"{MANIFEST}:6.0.0").address), TODAY)


def test_a_derived_withdrawal_is_never_written() -> None:
    """The file of a catalog holds only explicit entries, and undoing the yank frees everything above."""
    known = _known()
    broken = known.named(f"{PYTHON}:1.0.0")
    after = known.replacing(replace(broken, yanked="broken TLS"))
    assert catalog.dump(after).count("broken TLS") == 1
    assert not any(item.withdrawal for item in after.replacing(broken).versions)


def test_foundations_end_even_where_a_file_makes_a_circle() -> None:
    """Versions that claim to be built on each other are read, and walking down ends."""
    circle = f"""
a.example/b:
- {{version: 1.0.0, address: "a.example/b:1.0.0@{_digest(1)}", python: "3.11", built-on: "a.example/b:2.0.0"}}
- {{version: 2.0.0, address: "a.example/b:2.0.0@{_digest(2)}", python: "3.11", built-on: "a.example/b:1.0.0"}}
"""
    known = catalog.parse(circle, "a test")
    assert [item.version for item in known.foundations(known.versions[0])] == ["1.0.0"]


@pytest.mark.parametrize(
    ("language", "expected"),
    [("python", PYTHON), ("low-code", PYTHON), ("manifest-only", MANIFEST), ("java", JAVA), (None, PYTHON)],
)
def test_a_connector_starts_in_the_series_of_its_language(language: str | None, expected: str) -> None:
    """Without configuration, each language has its published repository."""
    assert series.repositories_of(series.of_language(language), (), _known()) == (expected,)


def test_a_configured_repository_replaces_the_published_one_of_its_series_only() -> None:
    """A company that configures one series keeps the published repositories of the others."""
    configured = ("acme.example/base",)
    assert series.repositories(configured, _known()) == ("acme.example/base", PYTHON, JAVA)
    assert series.repositories_of("source-declarative-manifest", configured, _known()) == configured


def test_a_caution_applies_to_connectors_with_the_trait() -> None:
    """A connector with components.py passes a version over that others take."""
    text = (
        THREE_LEVELS
        + f"""
{JAVA}:
- version: 3.0.0
  address: "{JAVA}:3.0.0@{_digest(6)}"
  cautions: [{{when: components, text: refuses components.py}}]
- {{version: 2.0.0, address: "{JAVA}:2.0.0@{_digest(7)}"}}
"""
    )
    known = catalog.parse(text, "a test")
    versions = known.of(JAVA)
    assert [latest(versions, (), traits=traits).version for traits in ((), ("components",))] == list(versions)
    assert catalog.parse(catalog.dump(known), "again") == known
    with pytest.raises(ConfigurationError, match="unknown condition 'moon'"):
        catalog.parse(text.replace("when: components", "when: moon"), "a test")


def test_a_version_without_a_python_belongs_to_java_or_says_its_series() -> None:
    """`python` is required elsewhere: without it no connector could be matched."""
    with pytest.raises(ConfigurationError, match="python"):
        catalog.parse(f'a.example/b:\n- {{version: 1.0.0, address: "a.example/b:1.0.0@{_digest(1)}"}}\n', "a test")


@pytest.mark.parametrize(
    ("version", "below", "cautions"),
    [
        ("4.6.2", "2.0.0", 0),
        ("6.6.4", "2.0.0", 1),
        ("6.7.1", "2.0.0", 1),
        ("6.7.2", "2.0.0", 0),
        ("6.9.2", "3.0.0", 0),
        ("6.51.0", "4.0.0", 0),
        ("6.58.1", "4.0.2", 0),
        ("7.23.7", "4.1.0", 1),
        ("7.23.8", "4.1.0", 0),
        ("7.39.1", "4.1.1", 0),
    ],
)
def test_ranges_say_what_a_registry_does_not(version: str, below: str, cautions: int) -> None:
    """For versions read from a registry, the base image below and the cautions come from the shipped ranges."""
    found = ranges.of(MANIFEST, version)
    assert (found.built_on, len(found.cautions)) == (f"{PYTHON}:{below}", cautions)


def test_the_shipped_series_agree_with_the_shipped_ranges() -> None:
    """Each shipped framework base names a Python base of the catalog, the one in its range."""
    known = catalog.shipped()
    for item in known.of(MANIFEST):
        assert item.built_on == ranges.of(MANIFEST, item.version).built_on
        (below,) = known.foundations(item)
        assert item.python.split(".")[:2] == below.python.split(".")[:2], item.version
    assert {item.series for item in known.of(JAVA)} == {"java-connector-base"}
    assert not any(item.python for item in known.of(JAVA))
    assert Path(catalog.__file__).with_name("ranges.yaml").is_file()
