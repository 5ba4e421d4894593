"""The migration of one connector from its Dockerfile to a base image, as a Change: pure, nothing is written here.

The guide's definition: no Dockerfile, the latest base image in metadata, a patch bump, a changelog entry, and what the
image needs beside its base in a customization that its owners approve.
"""

from collections.abc import Iterator, Mapping

from airbyte_ci.base_images import series
from airbyte_ci.base_images.catalogue import BaseImageVersion, Catalogue
from airbyte_ci.base_images.latest import Choice, admits
from airbyte_ci.build import source
from airbyte_ci.campaigns.bases import base_choice, lock_fit, pythons
from airbyte_ci.campaigns.bases.base_choice import Offered
from airbyte_ci.campaigns.bases.pythons import AdmittedPythons
from airbyte_ci.campaigns.changes.baseline import Baseline
from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.connector_files import readme, release, waiting
from airbyte_ci.campaigns.connector_files.release import Entry
from airbyte_ci.campaigns.conversion import carry_over, customization_draft
from airbyte_ci.campaigns.conversion.carried import CarriedOver
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.conversion.entry_points import MAIN
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.edits import versions, yaml_text
from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import ConnectorError, EditRefused
from airbyte_ci.text import decode_file

SUBJECT = "Base image migration: remove Dockerfile and use the python-connector-base image"
# What goes with the Dockerfile: the one is read only by `docker build`, the other built images of Python connectors.
DOOMED = ("Dockerfile", ".dockerignore", "build.gradle")


NONE_FAILED: Mapping[str, str] = {}


def plan(
    connector: Connector,
    configuration: Configuration,
    catalogue: Catalogue,
    files: Files,
    baseline: Baseline,
    entry: Entry,
    to: str | None = None,
    failed: Mapping[str, str] = NONE_FAILED,
) -> Change:
    """`failed` are the addresses of base images that do not work for the connector, with the reason.

    Raises NotApplicable when there is nothing to do, EditRefused or ConnectorError when it cannot be exact."""
    try:
        is_migrated = connector.is_python and connector.base_image and not connector.has_dockerfile
        if is_migrated and (left := waiting.plan(connector, configuration, files, baseline, entry)):
            return left
        _refuse_inapplicable(connector, configuration, catalogue)
        _refuse_unsaved(connector, baseline)
        return _planned(connector, configuration, catalogue, files, baseline, entry, to, failed)
    except NotApplicable:
        raise
    except (EditRefused, ConnectorError) as error:
        raise type(error)(f"migrating {connector.name}: {error.message}", advice=error.advice) from error


def _planned(
    connector: Connector,
    configuration: Configuration,
    catalogue: Catalogue,
    files: Files,
    baseline: Baseline,
    entry: Entry,
    to: str | None,
    failed: Mapping[str, str],
) -> Change:
    admitted = pythons.admitted(connector)
    repositories = series.repositories_of(
        series.of_language(connector.language), configuration.base_image_repositories, catalogue
    )
    offered = Offered(repositories, catalogue, entry.today, configuration.platform_version, failed=failed)
    choice = base_choice.asked_for(to, offered, admitted) if to else base_choice.newest(offered, admitted)
    base = choice.version
    assert base is not None
    content = files.read(release.path_of(connector, "Dockerfile")) or b""
    labelled = release.labelled(decode_file(content))
    after = release.patched(connector, baseline, labelled)
    folder = ConnectorFolder(connector.folder, connector.package)
    carried = carry_over.decide(stages.read_bytes(content), base, folder, catalogue)
    _refuse_incomplete(connector, carried)
    drafts, drafted, by_hand = _drafts(connector, carried)
    row, changelog = release.row(connector, configuration, files, baseline, after, entry)
    changes = [
        *_deletions(connector, files),
        _metadata(connector, files, base, after),
        *release.elsewhere(connector, files, after, align=True),
        *readme.updated(connector, files),
        *drafts,
        *row,
    ]
    return Change(
        connector.name,
        connector.relative,
        f"{connector.name}: use the base image {base.address.name} {base.version}",
        f"{connector.version} → {after} on {base.address.name} {base.version} {_why(choice, admitted, to)}",
        connector.version,
        after,
        Edit.of(changes),
        str(base.address),
        changelog,
        (
            *_labels(connector.version, labelled, after),
            *_versions(connector, files, after),
            *carried.settled,
            *_lock(connector, carried, base),
            *_approval(drafts, configuration),
        ),
        tuple(drafted),
        (*carried.lost, *by_hand, *readme.left(connector, files)),
        instructions=carried.findings,
        next_step=f"airbyte-ci connectors --name={connector.name} build && git add -A && git commit",
    )


def _labels(current: str, labelled: str | None, after: str) -> tuple[str, ...]:
    """Where the Dockerfile was ahead of the metadata, the version goes further than one patch."""
    counted = (
        labelled and labelled != current and versions.is_semver(labelled) and versions.bump(labelled, "patch") == after
    )
    return (f"the Dockerfile's label says {labelled}",) if counted else ()


def _versions(connector: Connector, files: Files, after: str) -> Iterator[str]:
    """Versions that did not agree with the metadata's, or were not written as checks want them."""
    plain = release.without_prefix(connector.version)
    if plain != connector.version:
        yield f"dockerImageTag {connector.version} is written without its v from now on, after {plain}"
    for found in release.versions_of_project(connector, files):
        if found not in (connector.version, plain, after):
            yield f"pyproject.toml said {found}, and says {after} now"


def _lock(connector: Connector, carried: CarriedOver, base: BaseImageVersion) -> tuple[str, ...]:
    """What another Python than the Dockerfile's means for the lock."""
    new = ".".join(base.python.split(".")[:2])
    old = carried.python
    return lock_fit.consequences(connector, old, new) if old and old != new else ()


def _approval(drafts: list[FileChange], configuration: Configuration) -> tuple[str, ...]:
    if not drafts or not configuration.customization_owners:
        return ()
    names = " and ".join(draft.path.rpartition("/")[2] for draft in drafts)
    return (f"{names} need{'s' if len(drafts) == 1 else ''} the approval of {configuration.customization_owners}",)


def _why(choice: Choice, admitted: AdmittedPythons, to: str | None) -> str:
    assert choice.version is not None
    if to and to != "latest":
        return f"(as asked{''.join(f'; {remark}' for remark in base_choice.remarks(choice.version))})"
    passed = "".join(f"; {item.version} {reason}" for item, reason in choice.passed_over)
    if not admits(admitted.specifiers, choice.version.python):
        return f"(the nearest to the Dockerfile's Python {admitted.text.strip('=.*')}{passed})"
    return f"(newest for Python {admitted.text}{passed})"


def _refuse_inapplicable(connector: Connector, configuration: Configuration, catalogue: Catalogue) -> None:
    if not connector.is_python:
        raise NotApplicable(
            f"{connector.name} is not a Python connector ({connector.language or 'no language that is known'})"
        )
    if connector.has_dockerfile:
        return
    if connector.base_image:
        is_behind = catalogue.behind(connector.base_image, configuration.platform_version)
        raise NotApplicable(
            f"{connector.name} is migrated already: it uses {connector.base_image}",
            advice=f"airbyte-ci connectors --name={connector.name} upgrade_base_image" if is_behind else None,
        )
    raise NotApplicable(f"{connector.name} has no Dockerfile to migrate from")


def _refuse_unsaved(connector: Connector, baseline: Baseline) -> None:
    """What is deleted must be safe in git first."""
    for name in DOOMED:
        path = release.path_of(connector, name)
        if state := baseline.unsaved.get(path):
            raise EditRefused(
                f"{path} is {state} in git and would be lost",
                advice=f"commit it first: git add {path} && git commit",
            )


def _refuse_incomplete(connector: Connector, carried: CarriedOver) -> None:
    """What the build would refuse is refused before anything is edited."""
    entry = carried.entry_point
    source.confirm(connector, entry.main_file or MAIN, is_drafted=bool(entry.main_text))


def _deletions(connector: Connector, files: Files) -> Iterator[FileChange]:
    for name in DOOMED:
        if name in connector.names:
            path = release.path_of(connector, name)
            yield FileChange(path, files.read(path), None)


def _metadata(connector: Connector, files: Files, base: BaseImageVersion, version: str) -> FileChange:
    def edit(text: str) -> str:
        text = yaml_text.upsert_scalar(text, ("data", "connectorBuildOptions", "baseImage"), str(base.address))
        return release.with_version(text, connector, version)

    return release.edited(files, release.path_of(connector, METADATA), edit)


# --- what the Dockerfile did ----------------------------------------------------------------------


def _drafts(connector: Connector, carried: CarriedOver) -> tuple[list[FileChange], list[str], list[str]]:
    """The drafted files, what is in them, and what is to be carried by hand because there is such a file already."""
    drafts: list[FileChange] = []
    done: list[str] = []
    by_hand: list[str] = []
    for name, words in ((customization.FILE, carried.declared()), (customization.MODULE, carried.coded())):
        if words and name in connector.names:
            by_hand += [f"{word} ({name} is there already)" for word in words]
        elif words:
            done += [f"{word} → {name}" for word in words]
            text = _draft(name, carried)
            drafts.append(FileChange(release.path_of(connector, name), None, text.encode()))
    if entry := carried.entry_point.main_text:
        done.append(f"ENTRYPOINT {carried.entry_point.note} → {MAIN}")
        drafts.append(FileChange(release.path_of(connector, MAIN), None, entry.encode()))
    return drafts, done, by_hand


def _draft(name: str, carried: CarriedOver) -> str:
    if name == customization.FILE:
        return customization_draft.declaration(carried.customization)
    return customization_draft.module(carried)
