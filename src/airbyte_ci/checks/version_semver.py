"""The connector's version is a semantic version."""

import re

from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.versions import is_semver

RULE = Rule(
    id="version-semver",
    point=3,
    label="patch bump",
    title="dockerImageTag is a semantic version: MAJOR.MINOR.PATCH.",
    why="Versions that cannot be compared cannot be raised, rolled out or rolled back.",
)

_NUMBERS = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?")


def check(connector: Connector, mending: Mending) -> Verdict:
    if is_semver(connector.version):
        return OK
    told = f"dockerImageTag {connector.version!r} is not a semantic version"
    return failed(
        told if connector.version else "dockerImageTag is missing",
        mending.bump(connector, f"version:{_completed(connector.version)}"),
        places.in_metadata(connector, "data", "dockerImageTag"),
    )


def _completed(version: str) -> str:
    """What was most likely meant: 1.4 and v1.4 are 1.4.0."""
    numbers = _NUMBERS.match(version)
    return ".".join(str(int(part or 0)) for part in numbers.groups()) if numbers else "0.1.0"
