"""Facts in queries: computed if the query uses them, and NULL if they are missing."""

from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.connectors import facts
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.connectors.select import Selection, select
from airbyte_ci.errors import QueryError
from tests.connectors.fleets import connector

FLEET = [
    connector("source-a", ("Dockerfile", "poetry.lock", "uv.lock", "setup.py")),
    connector("source-b", ("build_customization.py", "uv.lock", "pyproject.toml")),
    connector("source-c", ("build_customization.yaml", "pylock.toml")),
]
BASES: dict[str, Any] = {"source-b": {"version": "1.2.0", "behind": 3, "yanked": False}, "source-c": {"version": "9"}}


def selected(query: str) -> list[str]:
    known = {**facts.OWN, "base": lambda item: BASES.get(item.name), "modified": lambda item: item.name == "source-a"}
    return [item.name[-1] for item in select(FLEET, Selection(query=query), known).connectors]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("has_dockerfile", "a"),
        ("not has_dockerfile", "bc"),
        ("has_hook", "bc"),
        ("lock.kind == 'uv'", "b"),
        ("lock.kind in ['poetry', 'pylock']", "ac"),
        ("modified and language == 'python'", "a"),
        ("name.endswith('c')", "c"),
        ("base.version == '1.2.0'", "b"),
        ("base is None", "a"),
        ("base.version is None", "a"),
        ("base.behind > 2", "b"),
        ("base.behind < 3", ""),
        ("not base.yanked", "b"),
        ("base.yanked is None", "ac"),
    ],
)
def test_facts(query: str, names: str) -> None:
    """An unknown fact is NULL, like a missing key of the metadata."""
    assert "".join(selected(query)) == names


RELEASED = [
    connector(
        "source-d",
        ("block-release.yaml",),
        tags=["language:python", "cdk:low-code"],
        registryOverrides={"cloud": {"enabled": True}, "oss": {"enabled": False}},
        releases={"rolloutConfiguration": {"enableProgressiveRollout": True, "defaultRolloutMode": "autopilot"}},
    ),
    connector(
        "source-e",
        registries={"cloud": {"enabled": False}, "oss": {"enabled": True}},
        releases={"rolloutConfiguration": {"enableProgressiveRollout": True}},
        tags="cdk:python",
    ),
    connector(
        "source-f",
        registryOverrides={"cloud": {"enabled": False}},
        registries={"cloud": {"enabled": True}},
        releases={"rolloutConfiguration": {"enableProgressiveRollout": False, "defaultRolloutMode": "manual"}},
        tags=["cdk:python"],
    ),
]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("blocked", "d"),
        ("cdk == 'low-code'", "d"),
        ("cdk is None", "e"),
        ("enabled.cloud", "d"),
        ("enabled.oss", "e"),
        ("not (enabled.cloud or enabled.oss)", "f"),
        ("rollout.mode == 'autopilot'", "d"),
        ("rollout.mode == 'manual'", "e"),
        ("rollout is None", "f"),
    ],
)
def test_facts_of_releases(query: str, names: str) -> None:
    """Newer keys of the metadata win over older ones, and values of a wrong type are ignored."""
    found = select(RELEASED, Selection(query=query), facts.OWN).connectors
    assert "".join(item.name[-1] for item in found) == names


@pytest.mark.parametrize(
    ("query", "said"),
    [("base.versoin == '1'", "base has no 'versoin' (known: version, "), ("bases.version", "unknown name 'bases'")],
)
def test_a_misspelt_fact_is_an_error(query: str, said: str) -> None:
    """Never an empty answer; the place is shown."""
    with pytest.raises(QueryError) as caught:
        selected(query)
    assert said in caught.value.message
    assert "^" in caught.value.message


def test_only_what_is_asked_for_is_computed() -> None:
    """A fact may be slow (git, the catalog): queries that do not use it do not compute it."""

    def dear(item: Connector) -> bool:
        raise AssertionError(item)

    assert len(select(FLEET, Selection(query="has_hook"), {**facts.OWN, "modified": dear}).connectors) == 2


def test_requirements_are_a_lock_only_with_hashes(tmp_path: Path) -> None:
    """A list of names locks nothing."""
    place = tmp_path / "requirements.txt"
    item = Connector("source-x", tmp_path, relative="source-x", data={}, names=frozenset({"requirements.txt"}))
    place.write_text("-e .\n")
    assert facts.lock_kind(item) is None
    place.write_text("a==1 --hash=sha256:00\n")
    assert facts.lock_kind(item) == "requirements"
