"""The guide's point 4: the changelog on the documentation page has a row for exactly this version."""

from collections.abc import Callable
from pathlib import Path

from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Place, Rule, Verdict, failed, inapplicable
from airbyte_ci.checks.texts import Texts
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.changelog_table import find_table
from airbyte_ci.errors import EditRefused

RULE = Rule(
    id="changelog-row",
    point=4,
    label="changelog",
    title="The changelog table on the documentation page has a row for exactly this version.",
    why="People decide by it whether to upgrade; 1.1.10 says nothing about 1.1.1.",
)


def check(
    connector: Connector, root: Path, page: Callable[[Connector], Path | None], texts: Texts, mending: Mending
) -> Verdict:
    path = page(connector)
    if path is None:
        return inapplicable("no documentation page")
    if not connector.version:
        return inapplicable("no version")
    place = Place(path.relative_to(root).as_posix())
    lines = [line.rstrip("\r") for line in (texts.text(path) or "").split("\n")]
    try:
        # Only the versions are wanted, so what else the rows say is not read.
        versions = [entry.version or entry.text(0) for entry in find_table(lines, None).entries]
    except EditRefused as error:
        return failed(f"{place.path}: {error.message}", error.advice or mending.edit(place), place)
    if connector.version in versions:
        return OK
    last = f"the last one is for {versions[0]}" if versions else "it has no rows"
    told = f"{place.path} has no changelog row for {connector.version}; {last}"
    return failed(told, mending.bump(connector, f"version:{connector.version}"), place)
