"""Queries and mutations by GitHub's published GraphQL schema."""

import pytest
from graphql import parse, validate

from airbyte_ci.campaigns.waves import github_pulls
from tests.github import graphql


@pytest.mark.parametrize(
    "text", [github_pulls.query(1), github_pulls.query(100), *map(github_pulls.mutation, github_pulls.MUTATIONS)]
)
def test_requests_follow_the_schema(text: str) -> None:
    """Each field, argument and variable exists with its type."""
    assert validate(graphql.schema(), parse(text)) == []
