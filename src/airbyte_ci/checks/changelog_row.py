"""Checks point 4 of the guide: the changelog on the documentation page has a row for exactly this version."""

from collections.abc import Callable
from pathlib import Path

from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Location, Rule, Verdict, failed, inapplicable
from airbyte_ci.checks.texts import Texts
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.changelog_table import find_table
from airbyte_ci.errors import EditRefused

RULE = Rule(
    id="changelog-row",
    point=4,
    label="changelog",
    title="The changelog table on the documentation page has a row for exactly this version.",
    why="Users decide by this row whether to upgrade; a row for 1.1.10 does not describe 1.1.1.",
)


def check(
    connector: Connector, root: Path, page: Callable[[Connector], Path | None], texts: Texts, mending: Mending
) -> Verdict:
    path = page(connector)
    if path is None:
        return inapplicable("no documentation page")
    if not connector.version:
        return inapplicable("no version")
    place = Location(path.relative_to(root).as_posix())
    lines = [line.rstrip("\r") for line in (texts.text(path) or "").split("\n")]
    try:
        # Only the versions matter, so the other cells are not parsed.
        versions = [entry.version or entry.text(0) for entry in find_table(lines, None).entries]
    except EditRefused as error:
        return failed(f"{place.path}: {error.message}", error.advice or mending.edit(place), place, error.error_id)
    if connector.version in versions:
        return OK
    last = f"the latest row is for {versions[0]}" if versions else "the changelog has no rows"
    reason = f"{place.path} has no changelog row for {connector.version}; {last}"
    return failed(reason, mending.bump(connector, f"version:{connector.version}"), place)
