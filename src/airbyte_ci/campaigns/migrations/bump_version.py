"""A new version of one connector and its changelog row, as a Change: pure, nothing is written here."""

import re

from airbyte_ci.campaigns.changes.baseline import Baseline
from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.connector_files import release
from airbyte_ci.campaigns.connector_files.release import Entry
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits import versions
from airbyte_ci.edits.edit import Edit
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import ConnectorError, EditRefused, UsageError

KINDS = ("patch", "minor", "major", "rc", "promote", "version:X.Y.Z")
_EXACT = re.compile(r"version:(\S+)")


def check(kind: str) -> str:
    """The kind of bump as it was written; raises UsageError for what is none."""
    exact = _EXACT.fullmatch(kind)
    if kind in KINDS[:-1] or (exact and versions.is_semver(exact[1])):
        return kind
    raise UsageError(f"there is no bump {kind!r}", advice=f"one of {', '.join(KINDS)}")


def next_version(current: str, released: str | None, kind: str, *, rc: bool = False) -> str:
    """The version that a bump leads to: counted from what is released, and never twice on one branch.

    `released` is the version where the branch left its main one, None if there is none. Where the branch is already as
    far as the bump would lead, or further, the current version is the answer. With `rc`, its first release candidate.
    Raises EditRefused.
    """
    start = released if released and versions.is_semver(released) else current
    if exact := _EXACT.fullmatch(kind):
        if versions.compare(exact[1], start) <= 0 and exact[1] != current:
            raise EditRefused(f"{exact[1]} is not above {start}", advice="choose a higher version")
        return exact[1]
    if kind == "promote":
        return versions.promoted(current)
    if kind == "rc":
        return versions.next_candidate(current)
    target = versions.bump(start, "patch" if kind == "patch" else "minor" if kind == "minor" else "major")
    if versions.compare(current, start) > 0 and versions.compare(current, target) >= 0:
        return current
    return f"{target}-rc.1" if rc else target


def plan(
    connector: Connector,
    configuration: Configuration,
    files: Files,
    baseline: Baseline,
    entry: Entry,
    kind: str,
    *,
    rc: bool = False,
) -> Change:
    """Raises NotApplicable when the version is there already with its row, EditRefused or ConnectorError."""
    try:
        return _planned(connector, configuration, files, baseline, entry, kind, rc)
    except NotApplicable:
        raise
    except (EditRefused, ConnectorError) as error:
        raise type(error)(f"bumping {connector.name}: {error.message}", advice=error.advice) from error


def _planned(
    connector: Connector,
    configuration: Configuration,
    files: Files,
    baseline: Baseline,
    entry: Entry,
    kind: str,
    rc: bool,
) -> Change:
    released = baseline.released.get(connector.relative)
    after = next_version(connector.version, released, kind, rc=rc)
    row, changelog = release.row(connector, configuration, files, baseline, after, entry)
    metadata = release.metadata(connector, files, after)
    edit = Edit.of([metadata, *release.elsewhere(connector, files, after, label=True), *row])
    if not edit and after == connector.version:
        raise NotApplicable(f"{connector.name} is at {after} already, above {released or 'what is released'}")
    return Change(
        connector.name,
        connector.relative,
        f"{connector.name}: {entry.subject}",
        f"{connector.version} → {after}" if after != connector.version else f"{after} has its changelog entry now",
        connector.version,
        after,
        edit,
        connector.base_image,
        changelog,
        next_step="git add -A && git commit",
    )
