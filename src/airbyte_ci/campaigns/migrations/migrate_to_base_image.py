"""migrate_to_base_image: replaces a connector's Dockerfile with a base image.

As the migration guide defines it: no Dockerfile, the latest base image in the metadata, a patch bump and a changelog
entry. Everything else that the Dockerfile did becomes a customization, which its owners approve.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from airbyte_ci.base_images.catalog import series
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.base_images.catalog.latest import LatestVersion, admits
from airbyte_ci.campaigns.bases import base_choice, lock_fit, pythons
from airbyte_ci.campaigns.bases.base_choice import Offered, refuse_empty
from airbyte_ci.campaigns.bases.pythons import AdmittedPythons
from airbyte_ci.campaigns.changes.change import AlreadyDone, Change, NotApplicable
from airbyte_ci.campaigns.changes.task import Task, path_of
from airbyte_ci.campaigns.connector_files import readme, release
from airbyte_ci.campaigns.conversion import carry_over, customization_draft
from airbyte_ci.campaigns.conversion.carried import CarriedOver
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.conversion.entry_points import MAIN
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.campaigns.migrations import option
from airbyte_ci.campaigns.migrations.migration import ChangelogText, Migration, Verb
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits import versions, yaml_text
from airbyte_ci.edits.edit import FileChange
from airbyte_ci.errors import EditRefused
from airbyte_ci.images import source
from airbyte_ci.text import decode_file

# What goes with the Dockerfile: the one is read only by `docker build`, the other built images of Python connectors.
DOOMED = ("Dockerfile", ".dockerignore", "build.gradle")
# The number of skipped base images that are named.
_SHOWN = 2
_KEY = ("data", "connectorBuildOptions", "baseImage")


@dataclass(frozen=True, slots=True)
class MigrateOptions:
    """The base image to migrate to; None: the newest that the connector's Python allows."""

    to: str | None = option.text(
        "--to",
        "Use this base image version (1.2.0), or the newest of a line (1.2, 1). By default, use the newest that the "
        "connector's Python allows.",
        metavar="VERSION",
    )

    def __post_init__(self) -> None:
        refuse_empty(self.to)


def require(task: Task, _options: MigrateOptions) -> None:
    """Raises NotApplicable for a connector without a Dockerfile or in another language."""
    connector = task.connector
    if not connector.is_python:
        raise NotApplicable(
            f"{connector.name} is not a Python connector ({connector.language or 'no language that is known'})"
        )
    if connector.has_dockerfile:
        return
    if connector.base_image:
        is_behind = task.catalog.behind(connector.base_image, task.configuration.platform_version)
        raise AlreadyDone(
            f"{connector.name} is migrated already: it uses {connector.base_image}",
            advice=f"airbyte-ci connectors --name={connector.name} upgrade_base_image" if is_behind else None,
        )
    raise NotApplicable(f"{connector.name} has no Dockerfile to migrate from")


def plan(task: Task, options: MigrateOptions) -> Change:
    """Returns the change from the Dockerfile to a base image."""
    connector, catalog = task.connector, task.catalog
    _refuse_unsaved(task)
    admitted = pythons.admitted(connector, catalog)
    choice = _choose(task, options.to, admitted)
    base = choice.version
    assert base is not None
    content = task.read("Dockerfile")
    labelled = release.labelled(decode_file(content))
    version = release.patched(task, labelled)
    folder = ConnectorFolder(connector.folder, connector.package)
    carried = carry_over.decide(stages.read_bytes(content), base, folder, catalog)
    _refuse_incomplete(connector, carried)
    drafts, drafted, by_hand = _drafts(connector, carried)
    change = release.plan_change(
        task,
        version,
        lambda text: yaml_text.upsert_scalar(text, _KEY, str(base.address)),
        [*_deletions(task), *readme.updated(task), *drafts],
        align=True,
    )
    return dataclasses.replace(
        change,
        title=f"{connector.name}: use the base image {base.address.name} {base.version}",
        summary=f"{change.summary} on {base.address.name} {base.version} {_why(choice, admitted, options.to)}",
        base_image=str(base.address),
        notes=(
            *_labels(connector.version, labelled, version),
            *_versions(task, version),
            *carried.settled,
            *_further(choice, admitted),
            *_lock(connector, carried, base),
            *_approval(drafts, task.configuration),
        ),
        carried=tuple(drafted),
        not_carried=(*carried.lost, *by_hand, *readme.left(task)),
        instructions=carried.findings,
    )


def _choose(task: Task, to: str | None, admitted: AdmittedPythons) -> LatestVersion:
    """Returns the newest admitted base image, or the one of --to. Raises ConnectorError."""
    configuration, catalog = task.configuration, task.catalog
    wanted = series.of_language(task.connector.language)
    repositories = series.repositories_of(wanted, configuration.base_image_repositories, catalog)
    offered = Offered(
        repositories=repositories,
        catalog=catalog,
        today=task.entry.today,
        platform=configuration.platform_version,
        failed=task.failed,
    )
    return base_choice.asked_for(to, offered, admitted) if to else base_choice.newest(offered, admitted)


def _labels(current: str, labelled: str | None, after: str) -> tuple[str, ...]:
    """Where the Dockerfile was ahead of the metadata, the version goes further than one patch."""
    counted = (
        labelled and labelled != current and versions.is_semver(labelled) and versions.bump(labelled, "patch") == after
    )
    return (f"the Dockerfile's label says {labelled}",) if counted else ()


def _versions(task: Task, after: str) -> Iterator[str]:
    """Versions that did not agree with the metadata's, or were not written as checks want them."""
    connector = task.connector
    plain = release.without_prefix(connector.version)
    if plain != connector.version:
        yield f"dockerImageTag {connector.version} is written without its v from now on, after {plain}"
    for found in release.versions_of_project(task):
        if found not in (connector.version, plain, after):
            yield f"the version in pyproject.toml changes from {found} to {after}"


def _further(choice: LatestVersion, admitted: AdmittedPythons) -> Iterator[str]:
    """Where only the Dockerfile's Python is known to work, the user may know of a newer one."""
    others = [item for item, _ in choice.passed_over if not admits(admitted.specifiers, item.python)]
    usable = [item for item in others if item.verified and not item.withdrawal]
    if admitted.is_observed and usable:
        yield f"no file declares a Python, so the Dockerfile's is kept; --to {usable[0].version} has another"


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


def _why(choice: LatestVersion, admitted: AdmittedPythons, to: str | None) -> str:
    assert choice.version is not None
    if to and to != "latest":
        return f"(as asked{''.join(f'; {remark}' for remark in base_choice.remarks(choice.version))})"
    passed = "".join(f"; {item.version} {reason}" for item, reason in choice.passed_over[:_SHOWN])
    rest = len(choice.passed_over) - _SHOWN
    passed += f"; {rest} more {'is' if rest == 1 else 'are'} skipped" if rest > 0 else ""
    if not admits(admitted.specifiers, choice.version.python):
        return f"(the nearest to the Dockerfile's Python {admitted.shown}{passed})"
    return f"(newest{f' for Python {admitted.shown}' if admitted.specifiers else ''}{passed})"


def _refuse_unsaved(task: Task) -> None:
    """What is deleted must be safe in git first."""
    for name in DOOMED:
        path = task.path_of(name)
        if state := task.baseline.unsaved.get(path):
            raise EditRefused(
                f"{path} is {state} in git and would be lost",
                advice=f"commit it first: git add {path} && git commit",
                error_id="uncommitted-changes",
            )


def _refuse_incomplete(connector: Connector, carried: CarriedOver) -> None:
    """What the build would refuse is refused before anything is edited."""
    entry = carried.entry_point
    source.confirm(connector, entry.main_file or MAIN, is_drafted=bool(entry.main_text))


def _deletions(task: Task) -> Iterator[FileChange]:
    for name in DOOMED:
        if name in task.connector.names:
            path = task.path_of(name)
            yield FileChange(path, task.files.read(path), None)


# --- what the Dockerfile did ----------------------------------------------------------------------


def _drafts(connector: Connector, carried: CarriedOver) -> tuple[list[FileChange], list[str], list[str]]:
    """The drafted files, what is in them, and what is to be carried by hand because there is such a file already."""
    drafts: list[FileChange] = []
    done: list[str] = []
    by_hand: list[str] = []
    for name, words in ((customization.FILE, carried.declared()), (customization.MODULE, carried.coded())):
        if words and name in connector.names:
            by_hand += [f"{word} ({name} already exists)" for word in words]
        elif words:
            done += [f"{word} → {name}" for word in words]
            text = _draft(name, carried)
            drafts.append(FileChange(path_of(connector, name), None, text.encode()))
    if entry := carried.entry_point.main_text:
        done.append(f"ENTRYPOINT {carried.entry_point.note} → {MAIN}")
        drafts.append(FileChange(path_of(connector, MAIN), None, entry.encode()))
    return drafts, done, by_hand


def _draft(name: str, carried: CarriedOver) -> str:
    if name == customization.FILE:
        return customization_draft.declaration(carried.customization)
    return customization_draft.module(carried)


MIGRATION = Migration(
    id="migrate_to_base_image",
    verb=Verb("migrate", "migrating", "migrated"),
    help="""Replace the Dockerfile with the latest base image, bump the version and add a changelog entry.

    The Dockerfile's other instructions become a draft build_customization.yaml or .py, or are reported. Without
    PR_NUMBER no changelog entry is written: run the command again with the number to add the entry.
    """,
    options=MigrateOptions,
    require=require,
    plan=plan,
    text=ChangelogText("Base image migration: remove Dockerfile and use the python-connector-base image"),
    deletes=DOOMED,
    ignores={"--bump": "migrations bump the patch version, and --changelog-text sets the changelog entry"},
    chooses_base_image=True,
    can_be_proven=True,
)
