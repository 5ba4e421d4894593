"""bump_version: a new version of a connector, in every file, and its changelog row."""

import dataclasses
import re
from dataclasses import dataclass

from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.connector_files import release
from airbyte_ci.campaigns.migrations import option
from airbyte_ci.campaigns.migrations.migration import ChangelogText, Migration, Verb
from airbyte_ci.edits import versions
from airbyte_ci.errors import EditRefused, UsageError

KINDS = ("patch", "minor", "major", "rc", "promote", "version:X.Y.Z")
_EXACT = re.compile(r"version:(\S+)")


@dataclass(frozen=True, slots=True)
class BumpOptions:
    """The kind of bump, one of KINDS, and whether it makes a release candidate. Raises UsageError for other kinds."""

    kind: str = option.argument("BUMP")
    rc: bool = option.flag("--rc", "Use the first release candidate of the new version (with patch, minor or major).")

    def __post_init__(self) -> None:
        exact = _EXACT.fullmatch(self.kind)
        if self.kind not in KINDS[:-1] and not (exact and versions.is_semver(exact[1])):
            raise UsageError(f"unknown bump {self.kind!r}", advice=f"one of {', '.join(KINDS)}")


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


def plan(task: Task, options: BumpOptions) -> Change:
    """Returns the change to the next version. Raises NotApplicable if the version and its changelog row exist."""
    connector = task.connector
    released = task.baseline.released.get(connector.relative)
    after = next_version(connector.version, released, options.kind, rc=options.rc)
    change = release.plan_change(task, after, label=True)
    if not change.edit and after == connector.version:
        raise NotApplicable(f"{connector.name} is at {after} already, above {released or 'what is released'}")
    return dataclasses.replace(
        change,
        title=f"{connector.name}: {task.entry.subject}",
        summary=change.summary if after != connector.version else f"{after} has its changelog entry now",
        next_step="git add -A && git commit",
    )


MIGRATION = Migration(
    id="bump_version",
    verb=Verb("bump", "bumping", "bumped"),
    help="""Bump versions and add changelog entries.

    BUMP is patch, minor, major, rc (the next release candidate), promote (release the candidate) or version:X.Y.Z.
    The bump starts from the released version, so repeating the same bump on a branch has no effect.
    CHANGELOG_ENTRY is optional if no changelog entry is written.
    """,
    options=BumpOptions,
    plan=plan,
    text=ChangelogText("bump the version", example='bump_version patch 4711 "What changed"'),
)
