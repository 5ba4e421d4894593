"""Moving one connector from one base image to another, as a Change: pure, nothing is written here."""

import dataclasses
from collections.abc import Iterator, Mapping

from airbyte_ci.base_images.catalogue import BaseImageVersion, Catalogue
from airbyte_ci.base_images.latest import Choice
from airbyte_ci.campaigns.bases import base_choice, lock_fit, pythons, upgrade_choice
from airbyte_ci.campaigns.bases.base_choice import Offered
from airbyte_ci.campaigns.bases.pythons import AdmittedPythons
from airbyte_ci.campaigns.changes.baseline import Baseline
from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.connector_files import readme, release, waiting
from airbyte_ci.campaigns.connector_files.release import Entry
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.edits import yaml_text
from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import ConnectorError, EditRefused

NONE_FAILED: Mapping[str, str] = {}
_KEY = ("data", "connectorBuildOptions", "baseImage")


def plan(
    connector: Connector,
    configuration: Configuration,
    catalogue: Catalogue,
    files: Files,
    baseline: Baseline,
    entry: Entry,
    to: str | None = None,
    *,
    set_missing: bool = False,
    failed: Mapping[str, str] = NONE_FAILED,
) -> Change:
    """Inside the major version unless `to` says otherwise; an entry without a text gets one that names the new base.

    `failed` are the addresses of base images that do not work for the connector, with the reason.

    With `set_missing`, a connector with neither a base image nor a Dockerfile gets the newest one of its language.

    Raises NotApplicable when there is nothing to do, EditRefused or ConnectorError when it cannot be exact.
    """
    try:
        return _planned(connector, configuration, catalogue, files, baseline, entry, to, set_missing, failed)
    except NotApplicable:
        raise
    except (EditRefused, ConnectorError) as error:
        raise type(error)(f"upgrading {connector.name}: {error.message}", advice=error.advice) from error


def _planned(
    connector: Connector,
    configuration: Configuration,
    catalogue: Catalogue,
    files: Files,
    baseline: Baseline,
    entry: Entry,
    to: str | None,
    set_missing: bool,
    failed: Mapping[str, str],
) -> Change:
    written = connector.base_image
    if written is None and not (set_missing and connector.language and not connector.has_dockerfile):
        raise NotApplicable(
            f"{connector.name} has no base image yet",
            advice=f"airbyte-ci connectors --name={connector.name} migrate_to_base_image",
        )
    current = catalogue.find(written) if written else None
    admitted = pythons.declared(connector)
    offered = dataclasses.replace(
        upgrade_choice.offer(connector, current, configuration, catalogue, entry.today), failed=failed
    )
    choice = upgrade_choice.choose(connector, current, offered, admitted, to)
    base = choice.version
    assert base is not None
    if str(base.address) == written:
        return _left_to_do(connector, configuration, files, baseline, entry, base)
    name = f"{base.address.repository}:{base.version}"
    entry = dataclasses.replace(entry, subject=entry.subject or _subject(name, current, base))
    after = release.patched(connector, baseline)
    row, changelog = release.row(connector, configuration, files, baseline, after, entry)
    metadata = release.edited(
        files,
        release.path_of(connector, METADATA),
        lambda text: release.with_version(yaml_text.upsert_scalar(text, _KEY, str(base.address)), connector, after),
    )
    before = current.version if current else "an unknown one" if written else "none"
    return Change(
        connector.name,
        connector.relative,
        f"{connector.name}: {entry.subject[0].lower()}{entry.subject[1:]}",
        f"{connector.version} → {after} on {base.address.name} {before} → {base.version}",
        connector.version,
        after,
        Edit.of([metadata, *release.elsewhere(connector, files, after), *_readme(connector, files), *row]),
        str(base.address),
        changelog,
        _notes(connector, current, base, offered, admitted, choice),
        next_step=f"airbyte-ci connectors --name={connector.name} build && git add -A && git commit",
    )


def _readme(connector: Connector, files: Files) -> Iterator[FileChange]:
    """Who wrote only a tag did so by hand, and the README may still speak of the Dockerfile."""
    if connector.base_image and "@" not in connector.base_image:
        yield from readme.updated(connector, files)


def _subject(name: str, current: BaseImageVersion | None, base: BaseImageVersion) -> str:
    is_down = current is not None and base.repository == current.repository and base.semver < current.semver
    return f"{'Go back to' if is_down else 'Upgrade'} base image {'' if is_down else 'to '}{name}"


def _left_to_do(
    connector: Connector,
    configuration: Configuration,
    files: Files,
    baseline: Baseline,
    entry: Entry,
    base: BaseImageVersion,
) -> Change:
    """It is on that base image: what may be left to do is the row of an earlier run without a number."""
    subject = entry.subject or _subject(f"{base.address.repository}:{base.version}", None, base)
    entry = dataclasses.replace(entry, subject=subject)
    left = waiting.plan(connector, configuration, files, baseline, entry)
    if left is None:
        raise NotApplicable(f"{connector.name} uses {base.address.name} {base.version} already")
    return left


def _notes(
    connector: Connector,
    current: BaseImageVersion | None,
    base: BaseImageVersion,
    offered: Offered,
    admitted: AdmittedPythons,
    choice: Choice,
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
