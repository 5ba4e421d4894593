"""Checks point 3 of the guide: a connector that changed since the merge base has a higher version than there."""

from collections.abc import Mapping
from typing import Any

import semver

from airbyte_ci.checks import places
from airbyte_ci.checks.branch import BranchDifference
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed, inapplicable, unverified
from airbyte_ci.connectors.connector import METADATA, Connector

RULE = Rule(
    id="version-increment",
    point=3,
    label="patch bump",
    title="A connector that differs from the merge base has a higher version than at the merge base.",
    why="A published version never changes, so a change without a new version does not reach users.",
)
# Files that are not in the image and do not affect its users.
_INERT_FILES = ("acceptance-test-config.yml", "README.md", "bootstrap.md", ".dockerignore", "build.gradle", "icon.svg")
_INERT_FOLDERS = ("unit_tests/", "integration_tests/", "src/test", "erd/")


def check(connector: Connector, branch: BranchDifference | None, mending: Mending) -> Verdict:
    """`branch` holds the differences from the merge base; None where it is unknown."""
    if branch is None:
        return unverified(
            "there is no branch to compare with", "name the target branch of the merge with --diffed-branch"
        )
    if _opted_out(connector):
        return inapplicable("metadata.yaml opts out of version increments")
    if not branch.changed_in(connector):
        return inapplicable("the connector did not change")
    before = branch.metadata_before(connector)
    if before is None:
        return OK  # a new connector may start with any version
    changed = [path for path in branch.changed_in(connector) if not _is_inert(path)]
    if changed == [METADATA] and _base_image(before) == connector.base_image:
        changed = []  # metadata alone is published without a new image
    old = str(before.get("dockerImageTag") or "")
    return _compared(connector, old, changed, mending)


def _compared(connector: Connector, old: str, changed: list[str], mending: Mending) -> Verdict:
    place = places.in_metadata(connector, "data", "dockerImageTag")
    bump = mending.bump(connector, "patch")
    try:
        before, now = semver.Version.parse(old), semver.Version.parse(connector.version)
    except ValueError:
        return inapplicable("one of the versions is not a semantic version")
    if now < before:
        return failed(f"the version decreased from {old} to {now}", bump, place)
    if now == before:
        if not changed:
            return inapplicable("the changed files need no new version")
        more = len(changed) - 1
        others = f" and {more} more file{'s' if more > 1 else ''}" if more else ""
        return failed(f"{changed[0]}{others} changed, but the version is still {old}", bump, place)
    if before.prerelease and now.prerelease and before.finalize_version() != now.finalize_version():
        return failed(
            f"the release candidate changed from {old} to {now}, which belongs to another version",
            mending.bump(connector, "rc"),
            place,
        )
    return OK


def _is_inert(path: str) -> bool:
    return path in _INERT_FILES or path.startswith(_INERT_FOLDERS)


def _base_image(data: Mapping[str, Any]) -> str | None:
    options = data.get("connectorBuildOptions")
    value = options.get("baseImage") if isinstance(options, dict) else None
    return str(value) if value else None


def _opted_out(connector: Connector) -> bool:
    internal = connector.data.get("ab_internal")
    return isinstance(internal, dict) and internal.get("requireVersionIncrementsInPullRequests") is False
