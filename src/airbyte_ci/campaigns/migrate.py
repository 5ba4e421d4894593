"""The migration of one connector to a base image, as an Edit: pure, nothing is written here.

The guide's definition: no Dockerfile, the latest base image in metadata, a patch bump, a changelog entry.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from airbyte_ci.base_images.catalogue import BaseImageVersion, Catalogue
from airbyte_ci.base_images.latest import Choice, latest
from airbyte_ci.campaigns import dockerfile, pythons
from airbyte_ci.campaigns.pythons import AdmittedPythons
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find, git
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits import changelog, toml_text, versions, yaml_text
from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.errors import ConnectorError, EditRefused

SUBJECT = "Base image migration: remove Dockerfile and use the python-connector-base image"
_VERSION_KEYS = (("tool", "poetry", "version"), ("project", "version"))


class NotApplicable(ConnectorError):
    """There is nothing to migrate: already done, or not a Python connector."""


@dataclass(frozen=True, slots=True)
class Migration:
    """What would be done to a connector, and what the person should know of it."""

    edit: Edit
    before: str
    after: str
    base: BaseImageVersion
    passed_over: tuple[tuple[BaseImageVersion, str], ...]
    pythons: AdmittedPythons
    not_carried: tuple[str, ...]
    pending_row: bool


def plan(
    connector: Connector,
    configuration: Configuration,
    catalogue: Catalogue,
    pull_request: int | None,
    today: date,
    subject: str = SUBJECT,
) -> Migration:
    """Raises NotApplicable when there is nothing to do, EditRefused or ConnectorError when it cannot be exact."""
    _refuse_inapplicable(connector)
    _refuse_unsaved(connector, configuration.root)
    admitted = pythons.admitted(connector)
    choice = _choose(connector, configuration, catalogue, admitted)
    assert choice.version is not None
    before = connector.version
    after = _bumped(connector)
    root, path = configuration.root, connector.folder / "Dockerfile"
    content = path.read_bytes()
    facts = dockerfile.read(content.decode(errors="replace"))
    changes = [
        FileChange(path.relative_to(root).as_posix(), content, None),
        _metadata(connector, root, choice.version, after),
        *_project(connector, root, before, after),
        *_page(connector, configuration, after, pull_request, today, subject),
    ]
    return Migration(
        Edit.of(changes),
        before,
        after,
        choice.version,
        choice.passed_over,
        admitted,
        facts.not_carried(),
        pull_request is None,
    )


def _refuse_inapplicable(connector: Connector) -> None:
    if not connector.is_python:
        raise NotApplicable(
            f"{connector.name} is not a Python connector ({connector.language or 'no language that is known'})"
        )
    if connector.has_dockerfile:
        return
    if connector.base_image:
        raise NotApplicable(f"{connector.name} is migrated already: it uses {connector.base_image}")
    raise NotApplicable(f"{connector.name} has no Dockerfile to migrate from")


def _refuse_unsaved(connector: Connector, root: Path) -> None:
    """The Dockerfile is deleted, so it must be safe in git first."""
    state = git.uncommitted(root, connector.folder / "Dockerfile")
    if state:
        raise EditRefused(
            f"migrating {connector.name}: {connector.relative}/Dockerfile is {state} in git and would be lost",
            advice=f"commit it first: git add {connector.relative}/Dockerfile && git commit",
        )


def _choose(
    connector: Connector, configuration: Configuration, catalogue: Catalogue, admitted: AdmittedPythons
) -> Choice:
    passed: tuple[tuple[BaseImageVersion, str], ...] = ()
    for repository in configuration.base_image_repositories:
        choice = latest(catalogue.of(repository), admitted.specifiers)
        if choice.version:
            return choice
        passed += choice.passed_over
    reasons = "; ".join(f"{item.version} {reason}" for item, reason in passed) or "the catalogue has none"
    raise ConnectorError(
        f"migrating {connector.name}: no base image for Python {admitted.text} ({reasons})",
        advice="widen the Python in pyproject.toml and lock again, or add a base image to the catalogue",
    )


def _bumped(connector: Connector) -> str:
    try:
        return versions.bump(connector.version, "patch")
    except EditRefused as error:
        raise EditRefused(f"migrating {connector.name}: dockerImageTag {error.message}", advice=error.advice) from error


def _edited(connector: Connector, root: Path, path: Path, edit: Callable[[str], str]) -> FileChange:
    """The change of one file; a refusal names it."""
    shown = path.relative_to(root).as_posix()
    before = path.read_bytes()
    try:
        return FileChange(shown, before, edit(before.decode()).encode())
    except UnicodeDecodeError as error:
        raise EditRefused(f"migrating {connector.name}: {shown}: it is not UTF-8 text") from error
    except EditRefused as error:
        raise EditRefused(f"migrating {connector.name}: {shown}: {error.message}", advice=error.advice) from error


def _metadata(connector: Connector, root: Path, base: BaseImageVersion, version: str) -> FileChange:
    def edit(text: str) -> str:
        text = yaml_text.upsert_scalar(text, ("data", "connectorBuildOptions", "baseImage"), str(base.address))
        text = yaml_text.set_scalar(text, ("data", "dockerImageTag"), version)
        for registry in _equal_overrides(connector.data, connector.version):
            text = yaml_text.set_scalar(text, ("data", "registries", registry, "dockerImageTag"), version)
        return text

    return _edited(connector, root, connector.folder / "metadata.yaml", edit)


def _equal_overrides(data: Any, version: str) -> Iterator[str]:
    """Registries that repeat the connector's own version; one pinned to an older version stays pinned."""
    registries = data.get("registries")
    for name, registry in registries.items() if isinstance(registries, dict) else ():
        if isinstance(registry, dict) and str(registry.get("dockerImageTag")) == version:
            yield str(name)


def _project(connector: Connector, root: Path, before: str, after: str) -> Iterator[FileChange]:
    def edit(text: str) -> str:
        for key in _VERSION_KEYS:
            if toml_text.get_string(text, key) == before:
                text = toml_text.set_string(text, key, after)
        return text

    if "pyproject.toml" in connector.names:
        yield _edited(connector, root, connector.folder / "pyproject.toml", edit)


def _page(
    connector: Connector,
    configuration: Configuration,
    version: str,
    pull_request: int | None,
    today: date,
    subject: str,
) -> Iterator[FileChange]:
    if pull_request is None:
        return
    path = find.documentation(connector, configuration)
    if path is None:
        raise EditRefused(
            f"migrating {connector.name}: it has no documentation page, so there is no changelog for the new version",
            advice="write the page that documentationUrl names, or set `docs` in the configuration",
        )
    default = git.pull_request_url(configuration.root) or configuration.pull_request_url or None
    row = changelog.Row(version, today.isoformat(), pull_request, subject)
    yield _edited(
        connector, configuration.root, path, lambda page: changelog.insert_row(page, row, default_url=default)
    )
