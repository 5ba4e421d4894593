"""The migration of one connector to a base image, as an Edit: pure, nothing is written here.

The guide's definition: no Dockerfile, the latest base image in metadata, a patch bump, a changelog entry.
"""

from collections.abc import Iterator
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
    after = versions.bump(before, "patch")
    facts = dockerfile.read((connector.folder / "Dockerfile").read_text("utf-8", errors="replace"))
    root = configuration.root
    changes = [
        _change(root, connector.folder / "Dockerfile", None),
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


def _change(root: Path, path: Path, after: bytes | None) -> FileChange:
    return FileChange(path.relative_to(root).as_posix(), path.read_bytes(), after)


def _metadata(connector: Connector, root: Path, base: BaseImageVersion, version: str) -> FileChange:
    path = connector.folder / "metadata.yaml"
    text = path.read_bytes().decode()
    text = yaml_text.upsert_scalar(text, ("data", "connectorBuildOptions", "baseImage"), str(base.address))
    text = yaml_text.set_scalar(text, ("data", "dockerImageTag"), version)
    for registry in _equal_overrides(connector.data, connector.version):
        text = yaml_text.set_scalar(text, ("data", "registries", registry, "dockerImageTag"), version)
    return _change(root, path, text.encode())


def _equal_overrides(data: Any, version: str) -> Iterator[str]:
    """Registries that repeat the connector's own version; one pinned to an older version stays pinned."""
    for name, registry in (data.get("registries") or {}).items():
        if isinstance(registry, dict) and str(registry.get("dockerImageTag")) == version:
            yield str(name)


def _project(connector: Connector, root: Path, before: str, after: str) -> Iterator[FileChange]:
    path = connector.folder / "pyproject.toml"
    if not path.is_file():
        return
    text = path.read_bytes().decode()
    edited = text
    for key in _VERSION_KEYS:
        if toml_text.get_string(edited, key) == before:
            edited = toml_text.set_string(edited, key, after)
    if edited != text:
        yield _change(root, path, edited.encode())


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
    page = path.read_bytes().decode()
    default = git.pull_request_url(configuration.root) or configuration.pull_request_url or None
    row = changelog.Row(version, today.isoformat(), pull_request, subject)
    try:
        text = changelog.insert_row(page, row, default_url=default)
    except EditRefused as error:
        shown = path.relative_to(configuration.root).as_posix()
        raise EditRefused(f"migrating {connector.name}: {shown}: {error.message}", advice=error.advice) from error
    yield _change(configuration.root, path, text.encode())
