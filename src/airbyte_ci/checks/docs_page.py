"""Checks that the connector has a documentation page."""

from collections.abc import Callable
from pathlib import Path

from airbyte_ci.checks import places
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed
from airbyte_ci.connectors.connector import Connector

RULE = Rule(
    id="docs-page",
    point=4,
    label="changelog",
    title="The documentation page exists where documentationUrl or the configuration's `docs` says.",
    why="Users read on this page what a new version changes; it holds the changelog.",
)


def check(connector: Connector, page: Callable[[Connector], Path | None]) -> Verdict:
    if page(connector):
        return OK
    return failed(
        f"no page exists for {connector.data.get('documentationUrl') or 'the connector: documentationUrl is missing'}",
        "write the page, correct documentationUrl, or set `docs` in the configuration",
        places.in_metadata(connector, "data", "documentationUrl"),
    )
