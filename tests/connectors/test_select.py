"""Selection: kinds are AND-ed, values of a kind OR-ed, and a filter that matches nothing selects nothing."""

import pytest

from airbyte_ci.connectors.select import Selection, select
from airbyte_ci.errors import QueryError, UsageError
from tests.connectors.fleets import connector

FLEET = [
    connector("destination-z", ("pyproject.toml",), supportLevel="certified", sl=100),
    connector("source-a", ("setup.py",), supportLevel="certified"),
    connector("source-b", ("manifest.yaml",), supportLevel="community", sl=200),
    connector("source-faker", ("setup.py",), supportLevel="community"),
    connector("source-odd"),
]


def selected(**filters: object) -> list[str]:
    return [item.name for item in select(FLEET, Selection(**filters)).connectors]  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["destination-z", "source-a", "source-b", "source-faker", "source-odd"]),
        ({"names": ("source-b", "source-a")}, ["source-a", "source-b"]),
        ({"names": ("source-a", "source-a")}, ["source-a"]),
        ({"languages": ("python", "manifest-only")}, ["destination-z", "source-a", "source-b", "source-faker"]),
        ({"support_levels": ("certified",)}, ["destination-z", "source-a"]),
        ({"support_levels": ("certified",), "languages": ("python",), "query": "data.sl == 100"}, ["destination-z"]),
        ({"names": ("source-a",), "support_levels": ("community",)}, []),
        ({"languages": ("java",)}, []),
        ({"languages": ("java",), "support_levels": ("certified",)}, []),
        ({"query": "data.sl == 300"}, []),
        ({"query": "data.sl == 300", "languages": ("python",)}, []),
        ({"query": "data.sl != 100"}, ["source-b"]),
    ],
    ids=str,
)
def test_filters(filters: dict[str, object], expected: list[str]) -> None:
    """The fleet's order is kept; no filter is the whole fleet."""
    assert selected(**filters) == expected


def test_an_empty_selection_is_false() -> None:
    """Commands that change files use it to detect a missing selection."""
    assert not Selection()
    assert Selection(query="data.a")
    assert Selection(languages=("java",))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("source-fakr", "did you mean source-faker"),
        ("faker", "did you mean source-faker"),
        ("source_faker", "did you mean source-faker"),
        ("SOURCE-FAKER", "did you mean source-faker"),
        ("qqqqqqqq", "airbyte-ci connectors list"),
    ],
)
def test_an_unknown_name_is_an_error_with_near_matches(name: str, advice: str) -> None:
    """An unknown name is refused, with a suggestion."""
    with pytest.raises(UsageError, match=f"no connector '{name}'") as caught:
        selected(names=("source-a", name))
    assert caught.value.advice is not None
    assert caught.value.advice.startswith(advice)


def test_a_key_of_no_connector_draws_a_warning() -> None:
    """Keys are looked up in the whole fleet, not in the result of the other filters."""
    found = select(FLEET, Selection(names=("source-a",), query="data.sl is None and data.ls is None"))
    assert [item.name for item in found.connectors] == ["source-a"]
    assert found.warnings == ("the query uses data.ls, a key that no connector has",)


def test_a_query_error_is_told_even_where_nothing_is_left_to_ask() -> None:
    """A mistake in the query is not hidden by other filters that select nothing."""
    with pytest.raises(QueryError, match="unknown name 'dta'"):
        selected(languages=("java",), query="dta.sl == 1")
