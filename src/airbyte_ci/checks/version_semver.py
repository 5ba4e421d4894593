"""Checks that the connector's version is a semantic version."""

import re
from collections.abc import Callable

from airbyte_ci.checks import places
from airbyte_ci.checks.branch import BranchDifference
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.versions import bump, compare, is_semver

RULE = Rule(
    id="version-semver",
    point=3,
    label="patch bump",
    title="dockerImageTag is a semantic version: MAJOR.MINOR.PATCH.",
    why="Increments, rollouts and rollbacks need versions that can be compared.",
)

_NUMBERS = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?")


def check(connector: Connector, branch: Callable[[], BranchDifference | None], mending: Mending) -> Verdict:
    """`branch` returns the differences from the merge base; it is called only after a failure."""
    if is_semver(connector.version):
        return OK
    reason = f"dockerImageTag {connector.version!r} is not a semantic version"
    return failed(
        reason if connector.version else "dockerImageTag is missing",
        mending.bump(connector, f"version:{_above(_before(connector, branch), _completed(connector.version))}"),
        places.in_metadata(connector, "data", "dockerImageTag"),
    )


def _before(connector: Connector, branch: Callable[[], BranchDifference | None]) -> str:
    known = branch()
    data = known.metadata_before(connector) if known else None
    return str((data or {}).get("dockerImageTag") or "")


def _above(before: str, meant: str) -> str:
    """Returns the intended version; where the merge base has the same or a higher one, the next patch version."""
    return bump(before, "patch") if is_semver(before) and compare(meant, before) <= 0 else meant


def _completed(version: str) -> str:
    """Returns the version that was probably intended: 1.4 and v1.4 become 1.4.0."""
    numbers = _NUMBERS.match(version)
    return ".".join(str(int(part or 0)) for part in numbers.groups()) if numbers else "0.1.0"
