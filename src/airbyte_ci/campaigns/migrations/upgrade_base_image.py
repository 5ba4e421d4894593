"""upgrade_base_image: moves a connector from one base image to another, newer or older."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.base_images.catalog.latest import LatestVersion
from airbyte_ci.campaigns.bases import base_choice, lock_fit, pythons, upgrade_choice
from airbyte_ci.campaigns.bases.base_choice import Offered, refuse_empty
from airbyte_ci.campaigns.bases.pythons import AdmittedPythons
from airbyte_ci.campaigns.changes.change import AlreadyDone, Change, NotApplicable
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.connector_files import readme, release
from airbyte_ci.campaigns.migrations import option
from airbyte_ci.campaigns.migrations.migration import ChangelogText, Migration, Verb
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits import yaml_text
from airbyte_ci.edits.edit import FileChange

_KEY = ("data", "connectorBuildOptions", "baseImage")


@dataclass(frozen=True, slots=True)
class UpgradeOptions:
    """The base image to move to (None: the newest of the major version), and which connectors get their first one."""

    to: str | None = option.text(
        "--to",
        "Use this base image version (2.0.0), the newest of a line (2.0, 2) or `latest`. Older versions and other "
        "major versions are allowed. By default, use the newest of the same major version.",
        metavar="VERSION",
    )
    set_missing: bool = option.yes_or_no(
        "--set-if-not-exists",
        "Also set a base image for Python connectors that have neither a base image nor a Dockerfile.",
    )

    def __post_init__(self) -> None:
        refuse_empty(self.to)


def require(task: Task, options: UpgradeOptions) -> None:
    """Raises NotApplicable for a connector without a base image, unless it is to get its first one."""
    connector = task.connector
    is_set = options.set_missing and connector.language and not connector.has_dockerfile
    if connector.base_image is None and not is_set:
        # Only Python connectors can be migrated from a Dockerfile.
        first = "migrate_to_base_image" if connector.is_python else "upgrade_base_image --set-if-not-exists=true"
        raise NotApplicable(
            f"{connector.name} has no base image yet",
            advice=f"airbyte-ci connectors --name={connector.name} {first}",
        )


def plan(task: Task, options: UpgradeOptions) -> Change:
    """Returns the change to another base image, of the same major version unless `--to` names another."""
    connector, catalog, written = task.connector, task.catalog, task.connector.base_image
    current = catalog.find(written) if written else None
    admitted = pythons.declared(connector)
    offered = upgrade_choice.offer(
        connector, current, configuration=task.configuration, catalog=catalog, today=task.entry.today
    )
    offered = dataclasses.replace(offered, failed=task.failed)
    choice = upgrade_choice.choose(connector, current, offered, admitted, options.to)
    base = choice.version
    assert base is not None
    name = f"{base.address.repository}:{base.version}"
    if str(base.address) == written:
        further = base_choice.other_majors(base, offered, admitted)
        raise AlreadyDone(
            f"{connector.name} uses {base.address.name} {base.version} already",
            advice=f"for another major version: upgrade_base_image --to {further.version}" if further else None,
            subject=_subject(name, None, base),
        )
    task = task.with_subject(_subject(name, current, base))
    version = release.patched(task)
    before = current.version if current else "an unknown one" if written else "none"
    return dataclasses.replace(
        release.plan_change(
            task, version, lambda text: yaml_text.upsert_scalar(text, _KEY, str(base.address)), _readme(task)
        ),
        summary=f"{connector.version} → {version} on {base.address.name} {before} → {base.version}",
        base_image=str(base.address),
        notes=_notes(connector, current, base, offered, admitted, choice),
    )


def _readme(task: Task) -> Iterator[FileChange]:
    """Who wrote only a tag did so by hand, and the README may still speak of the Dockerfile."""
    if task.connector.base_image and "@" not in task.connector.base_image:
        yield from readme.updated(task)


def _subject(name: str, current: BaseImageVersion | None, base: BaseImageVersion) -> str:
    is_down = current is not None and base.repository == current.repository and base.semver < current.semver
    return f"{'Go back to' if is_down else 'Upgrade'} base image {'' if is_down else 'to '}{name}"


def _notes(
    connector: Connector,
    current: BaseImageVersion | None,
    base: BaseImageVersion,
    offered: Offered,
    admitted: AdmittedPythons,
    choice: LatestVersion,
) -> tuple[str, ...]:
    notes = [f"{item.version} {reason}" for item, reason in choice.passed_over]
    notes += base_choice.remarks(base, offered.traits)
    if base.is_expired(offered.today):
        notes.append(f"{base.version} is not supported since {base.supported_until}")
    if current and current.repository != base.repository:
        notes.append(f"from {current.repository} to {base.repository}")
    if current and current.withdrawal:
        notes.append(f"{current.version} is yanked: {current.withdrawal}")
    if current and base.python and _minor(current.python) != _minor(base.python):
        notes.append(f"Python {_minor(current.python)} → {_minor(base.python)}")
        notes += lock_fit.consequences(connector, _minor(current.python), _minor(base.python))
    if current and current.user != base.user:
        notes.append(f"user {current.user} → {base.user}")
    further = base_choice.other_majors(base, offered, admitted)
    if further:
        notes.append(f"{further.version} is another major version: --to {further.version}")
    return tuple(notes)


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


MIGRATION = Migration(
    id="upgrade_base_image",
    verb=Verb("upgrade", "upgrading", "upgraded"),
    help="""Move connectors to the newest base image of their major version, bump versions and add changelog entries.

    A base image that is named only by its tag gets its full address with the digest. The version is not bumped if
    this branch has already bumped it.
    """,
    options=UpgradeOptions,
    require=require,
    plan=plan,
    text=ChangelogText(described="the new base image"),
    chooses_base_image=True,
    can_be_proven=True,
)
