"""migrate_to_manifest_only: makes a low-code Python connector a manifest on the framework's base image.

The manifest keeps its bytes; the package, its lock and its Dockerfile go. A connector whose Python does more than start
the manifest does not qualify, and is reported with the reason.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from airbyte_ci.attest.compare.intended import IntendedChange
from airbyte_ci.base_images.catalog import series
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.base_images.catalog.entry import MANIFEST_SERIES
from airbyte_ci.base_images.catalog.latest import LatestVersion
from airbyte_ci.campaigns.bases import base_choice
from airbyte_ci.campaigns.bases.base_choice import Offered, refuse_empty
from airbyte_ci.campaigns.bases.pythons import AdmittedPythons
from airbyte_ci.campaigns.changes.change import AlreadyDone, Change, NotApplicable
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.connector_files import manifest_readme, release
from airbyte_ci.campaigns.conversion import carry_over, declared_requirements
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.campaigns.low_code import components, manifest_text, package, schemas
from airbyte_ci.campaigns.low_code.components import Components
from airbyte_ci.campaigns.low_code.package import LowCodePackage
from airbyte_ci.campaigns.migrations import option
from airbyte_ci.campaigns.migrations.migration import ChangelogText, Migration, Verb
from airbyte_ci.connectors.connector import COMPONENTS, MANIFEST, MANIFEST_ONLY, MANIFEST_PACKAGE, Connector
from airbyte_ci.connectors.folder_files import walk
from airbyte_ci.connectors.manifest import FRAMEWORK, KIND, class_names
from airbyte_ci.edits import yaml_nodes, yaml_text
from airbyte_ci.edits.edit import FileChange
from airbyte_ci.edits.yaml_nodes import Literal
from airbyte_ci.errors import EditRefused

_ACCEPTANCE = "acceptance-test-config.yml"
_UNIT_TESTS = "unit_tests"
_PROJECT_FILES = (
    *("main.py", "setup.py", "setup.cfg", "pyproject.toml", "poetry.lock", "uv.lock", "pylock.toml"),
    *("requirements.txt", "__init__.py", "Dockerfile", ".dockerignore", "build.gradle", ".coveragerc"),
    *(".python-version", "pytest.ini", "tox.ini", "acceptance-test-docker.sh"),
)
_KEY = ("data", "connectorBuildOptions", "baseImage")
# The framework's image brings its own Python, and a manifest has no opinion on it.
_ANY = AdmittedPythons("any", (), "")


@dataclass(frozen=True, slots=True)
class ManifestOptions:
    """The base image to migrate to; None: the newest of the framework."""

    to: str | None = option.text(
        "--to",
        "Use this version of the framework's base image (7.39.1), or the newest of a line (7.39, 7). By default, use "
        "the newest.",
        metavar="VERSION",
    )

    def __post_init__(self) -> None:
        refuse_empty(self.to)


@dataclass(frozen=True, slots=True)
class _Source:
    """The package that is migrated, with the document of its manifest and its custom classes."""

    package: LowCodePackage
    text: str
    document: dict[str, Any]
    custom: Components | None

    @property
    def traits(self) -> frozenset[str]:
        return frozenset({"components"} if self.custom else ())


def require(task: Task, _options: ManifestOptions) -> None:
    """Raises NotApplicable for a connector that is not low-code."""
    connector = task.connector
    if connector.language == MANIFEST_ONLY:
        raise AlreadyDone(f"{connector.name} is manifest-only already")
    if connector.language != "low-code":
        raise NotApplicable(
            f"{connector.name} is not a low-code connector ({connector.language or 'unknown language'})"
        )


def plan(task: Task, options: ManifestOptions) -> Change:
    """Returns the change from the package to the manifest; raises NotApplicable with the reason if it is impossible."""
    connector = task.connector
    try:
        source = _read(task)
        base = _choose(task, options.to, source).version
        assert base is not None
        text = _manifest(task, source, base)
        _refuse_dockerfile(task, base)
    except NotApplicable as error:
        raise NotApplicable(f"{connector.name} cannot be a manifest: {error.message}", advice=error.advice) from error
    deletions = tuple(_deletions(task, source.package))
    _refuse_unsaved(task, deletions)
    change = release.plan_change(
        _without_project(task),
        release.patched(task),
        lambda metadata: _metadata(metadata, connector, base),
        [
            *deletions,
            _new(task, MANIFEST, text),
            *([_new(task, COMPONENTS, source.custom.text)] if source.custom else []),
            *_acceptance(task),
            *manifest_readme.updated(task),
        ],
    )
    return dataclasses.replace(
        change,
        title=f"{connector.name}: use the framework's image {base.address.name} {base.version}",
        summary=f"{change.summary} on {base.address.name} {base.version}",
        base_image=str(base.address),
        notes=tuple(_notes(task, source, base)),
        not_carried=tuple(manifest_readme.left(task)),
        previous_image=f"{connector.image_repository}:{connector.version}",
        intended=_intended(task, source, deletions),
    )


def _read(task: Task) -> _Source:
    found = package.read(task.connector)
    text = _text(task, found.manifest)
    document = manifest_text.load(text, found.manifest)
    return _Source(found, text, document, components.collect(found, class_names(document)))


def _choose(task: Task, to: str | None, source: _Source) -> LatestVersion:
    """Returns the newest version of the framework's image, or the one of --to. Raises ConnectorError."""
    configuration, catalog = task.configuration, task.catalog
    repositories = series.repositories_of(MANIFEST_SERIES, configuration.base_image_repositories, catalog)
    today, platform = task.entry.today, configuration.platform_version
    offered = Offered(
        repositories=repositories,
        catalog=catalog,
        today=today,
        platform=platform,
        traits=source.traits,
        failed=task.failed,
    )
    return base_choice.asked_for(to, offered, _ANY) if to else base_choice.newest(offered, _ANY)


# --- the manifest ---------------------------------------------------------------------------------


def _manifest(task: Task, source: _Source, base: BaseImageVersion) -> str:
    """Returns the new text; raises EditRefused where it would not load to the old document with the intended edits."""
    found, document = source.package, source.document
    version = manifest_text.version_of(document, found.manifest)
    if Version(version) > Version(base.version):
        raise EditRefused(
            f"{found.manifest}: its version {version} is newer than {base.address.name} {base.version}",
            advice=f"choose a base image from {version} on with --to",
        )
    renamed = dict(source.custom.renamed) if source.custom else {}
    text = manifest_text.with_classes(manifest_text.with_kind(source.text, version), renamed)
    expected = {**_with_classes(document, renamed), "version": version, "type": KIND}
    files = {path: _text(task, f"{found.name}/{path}") for path in found.schemas}
    text, expected = schemas.inline(text, expected, found.name, files)
    if found.spec and "spec" in document:
        raise NotApplicable(f"{found.spec} and {found.manifest} both hold the specification", advice="remove one")
    if found.spec:
        content = _text(task, found.spec)
        text = manifest_text.with_specification(text, content, found.spec)
        expected["spec"] = manifest_text.specification(content, found.spec)
    elif "spec" not in document:
        raise NotApplicable(f"neither {found.manifest} nor a file of its package holds the specification")
    manifest_text.prove(text, expected, found.manifest)
    return text


def _with_classes(document: object, renamed: Mapping[str, str]) -> Any:  # noqa: ANN401  # parsed data
    if isinstance(document, dict):
        return {
            key: renamed.get(value, value)
            if key == "class_name" and isinstance(value, str)
            else _with_classes(value, renamed)
            for key, value in document.items()
        }
    return [_with_classes(item, renamed) for item in document] if isinstance(document, list) else document


# --- the other files ------------------------------------------------------------------------------


def _refuse_dockerfile(task: Task, base: BaseImageVersion) -> None:
    """What a Dockerfile adds to its image is carried over by the migration to a base image, not by this one."""
    connector = task.connector
    if not connector.has_dockerfile:
        return
    folder = ConnectorFolder(connector.folder, connector.package)
    carried = carry_over.decide(stages.read_bytes(task.read("Dockerfile")), base, folder, task.catalog)
    if words := (*carried.declared(), *carried.coded(), *carried.lost):
        raise NotApplicable(
            f"its Dockerfile does more than install and start it: {words[0]}",
            advice=f"airbyte-ci connectors --name={connector.name} migrate_to_base_image",
        )


def _deletions(task: Task, found: LowCodePackage) -> Iterator[FileChange]:
    names = [*found.files, *(name for name in _PROJECT_FILES if name in task.connector.names)]
    if _has_package_tests(task.connector):
        tests = walk(task.connector.folder / _UNIT_TESTS)
        names += (f"{_UNIT_TESTS}/{item.path}" for item in tests if not item.is_folder)
    for name in names:
        path = task.path_of(name)
        yield FileChange(path, task.files.read(path), None)


def _has_package_tests(connector: Connector) -> bool:
    """Whether its unit tests are those of the package: those of a manifest are a project of their own."""
    tests = connector.folder / _UNIT_TESTS
    return tests.is_dir() and not (tests / "pyproject.toml").is_file()


def _refuse_unsaved(task: Task, deletions: tuple[FileChange, ...]) -> None:
    """What is deleted must be safe in git first."""
    for change in deletions:
        if state := task.baseline.unsaved.get(change.path):
            raise EditRefused(
                f"{change.path} is {state} in git and would be lost",
                advice=f"commit it first: git add {change.path} && git commit",
                error_id="uncommitted-changes",
            )


def _without_project(task: Task) -> Task:
    """The task as if the files of the project were deleted already, so that nothing writes the version into them."""
    connector = dataclasses.replace(task.connector, names=task.connector.names - {*_PROJECT_FILES})
    return dataclasses.replace(task, connector=connector)


def _metadata(text: str, connector: Connector, base: BaseImageVersion) -> str:
    text = yaml_text.upsert_scalar(text, _KEY, str(base.address))
    text = yaml_nodes.rewrite(text, _without_package_registry)
    tags = connector.data.get("tags")
    if isinstance(tags, list) and tags and all(isinstance(item, str) for item in tags):
        text = yaml_nodes.set_items(text, ("data", "tags"), _tags(tags))
    return text


def _without_package_registry(path: yaml_nodes.Path, value: str) -> Literal | None:
    """A manifest is no package, so none is published."""
    is_switch = path == ("data", "remoteRegistries", "pypi", "enabled")
    return Literal("false") if is_switch and re.fullmatch("(?i)true|yes|on", value) else None


def _tags(tags: list[str]) -> tuple[str, ...]:
    others = [tag for tag in tags if not tag.startswith("language:") and tag != "cdk:low-code"]
    return (f"language:{MANIFEST_ONLY}", "cdk:low-code", *others)


def _acceptance(task: Task) -> Iterator[FileChange]:
    def choose(path: yaml_nodes.Path, _: str) -> str | None:
        return MANIFEST if path[-1:] == ("spec_path",) else None

    if _ACCEPTANCE in task.connector.names:
        path = task.path_of(_ACCEPTANCE)
        yield release.edited(task.files, path, lambda text: yaml_nodes.rewrite(text, choose))


def _notes(task: Task, source: _Source, base: BaseImageVersion) -> Iterator[str]:
    yield from base_choice.remarks(base, source.traits)
    custom = source.custom
    if custom:
        yield f"{' and '.join(custom.modules)} → {COMPONENTS}"
    if custom and custom.imported:
        yield f"{COMPONENTS} imports {', '.join(custom.imported)}: the base image must have them"
    kept = {*package.STARTERS, *(custom.modules if custom else ())}
    if unused := sorted({item.path for item in source.package.modules.values()} - kept):
        yield f"no class of {', '.join(unused)} is in the manifest, so they are removed"
    if _has_package_tests(task.connector):
        yield f"{_UNIT_TESTS}/ tested the package and is removed"


def _intended(task: Task, source: _Source, deletions: tuple[FileChange, ...]) -> IntendedChange:
    """Returns the differences of the images: the package becomes a manifest, and the base image's packages are used.

    If custom classes stay, the packages that the connector itself requires must stay, too.
    """
    folder = f"{task.connector.relative}/"
    required = declared_requirements.read(task.connector.folder).by_name if source.custom else {}
    return IntendedChange(
        code=frozenset(
            {change.path.removeprefix(folder) for change in deletions}
            | {f"{MANIFEST_PACKAGE}/{name}" for name in (MANIFEST, COMPONENTS)}
        ),
        required=frozenset(required) - {FRAMEWORK},
    )


def _text(task: Task, name: str) -> str:
    try:
        return task.read(name).decode()
    except UnicodeDecodeError as error:
        raise EditRefused(f"{task.path_of(name)}: it is not UTF-8 text") from error


def _new(task: Task, name: str, text: str) -> FileChange:
    path = task.path_of(name)
    return FileChange(path, task.files.read(path), text.encode())


MIGRATION = Migration(
    id="migrate_to_manifest_only",
    verb=Verb("migrate", "migrating", "migrated"),
    help="""Make low-code Python connectors manifests on the framework's base image.

    The manifest keeps its comments, its order and its anchors, and gets the specification and the schemas. Custom
    classes move to components.py, and the Python package is removed. A connector whose Python code does more than
    start its manifest does not qualify.
    """,
    options=ManifestOptions,
    require=require,
    plan=plan,
    text=ChangelogText("Migrate to manifest-only"),
    deletes=(*_PROJECT_FILES, "{package}", _UNIT_TESTS),
    chooses_base_image=True,
    can_be_proven=True,
)
