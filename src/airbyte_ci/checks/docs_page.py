"""The connector has its documentation page."""

from collections.abc import Callable
from pathlib import Path

from airbyte_ci.checks import places
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed
from airbyte_ci.connectors.connector import Connector

RULE = Rule(
    id="docs-page",
    point=4,
    label="changelog",
    title="The documentation page that documentationUrl (or the configuration's docs) names exists.",
    why="It is where people learn what a new version means; the changelog is on it.",
)


def check(connector: Connector, page: Callable[[Connector], Path | None]) -> Verdict:
    if page(connector):
        return OK
    return failed(
        f"there is no page for {connector.data.get('documentationUrl') or 'it, for documentationUrl is missing'}",
        "write it, or correct documentationUrl, or set `docs` in the configuration",
        places.in_metadata(connector, "data", "documentationUrl"),
    )
