"""Finds the connectors of a repository and their documentation pages. Reads only; knows nothing of images."""

import json
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from airbyte_ci.config import KEYS, Configuration
from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.connectors.memory import MetadataCache
from airbyte_ci.errors import AirbyteCiError, ConfigurationError, MetadataError
from airbyte_ci.records import dataclass

# Folders that never contain connectors and may have very many files.
SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", "build", "dist", "site-packages"})
# One glob with `**` replaces more globs than this.
_MOST_GLOBS = 6


@dataclass(frozen=True, slots=True)
class Located:
    """The folders of connectors with the names in each, and the configured globs that match no connector."""

    folders: Mapping[Path, frozenset[str]]
    unmatched: tuple[str, ...]


def find(
    configuration: Configuration, memory: MetadataCache | None = None
) -> tuple[tuple[Connector, ...], tuple[AirbyteCiError, ...]]:
    """Returns all connectors, sorted by name, and the errors of those that cannot be read."""
    return read_located(locate(configuration), configuration, memory)


def locate(configuration: Configuration) -> Located:
    """Returns the folders that the configured globs match; raises ConfigurationError for an invalid glob."""
    folders: dict[Path, frozenset[str]] = {}
    unmatched = []
    for pattern in configuration.connectors:
        matched = dict(_matching(configuration.root, pattern))
        folders |= matched
        if not matched:
            unmatched.append(pattern)
    return Located(folders, tuple(unmatched))


def read_located(
    located: Located, configuration: Configuration, memory: MetadataCache | None = None
) -> tuple[tuple[Connector, ...], tuple[AirbyteCiError, ...]]:
    """Returns the connectors in these folders, sorted by name, and the errors of those that cannot be read."""
    connectors, errors = [], []
    for folder, names in sorted(located.folders.items()):
        try:
            connectors.append(_read(folder, configuration.root, names, memory))
        except MetadataError as error:
            errors.append(error)
    if memory:
        memory.save()
    return tuple(sorted(connectors, key=lambda item: (item.name, item.relative))), tuple(errors)


def refuse_nothing(located: Located, configuration: Configuration) -> None:
    """Raises ConfigurationError if the configuration selects no connector at all."""
    if located.folders:
        return
    root = configuration.root
    place = configuration.place_of(next(key for key in KEYS if key.name == "connectors"))
    globs = ", ".join(map(repr, configuration.connectors)) or "an empty list"
    elsewhere = globs_for([folder.relative_to(root).as_posix() for folder, _ in _matching(root, "**")])
    if elsewhere:
        advice = f"set connectors = {json.dumps(list(elsewhere))}, or run airbyte-ci init"
    else:
        advice = f"add a connector with its {METADATA}, or name the folder of another repository with --repo"
    raise ConfigurationError(f"{place} selects no connector: no folder with {METADATA} matches {globs}", advice=advice)


def globs_for(folders: Sequence[str]) -> tuple[str, ...]:
    """Returns the fewest globs of the form `parent/*` for these folders; with many parents, `**` below their common
    one.
    """
    parents = sorted({"." if folder == "." else posixpath.dirname(folder) for folder in folders})
    if len(parents) > _MOST_GLOBS:
        common = posixpath.commonpath([parent for parent in parents if parent != "."])
        return ((f"{common}/**" if common else "**"),)
    return tuple("." if parent == "." else f"{parent}/*" if parent else "*" for parent in parents)


def read(folder: Path, root: Path) -> Connector:
    """Returns the connector in a folder; raises MetadataError."""
    return _read(folder, root, _names(folder), None)


def _read(folder: Path, root: Path, names: frozenset[str], memory: MetadataCache | None) -> Connector:
    relative = folder.relative_to(root).as_posix()
    path, shown = folder / METADATA, METADATA if relative == "." else f"{relative}/{METADATA}"
    data = memory.load(path, shown, _load) if memory else _load(path, shown)
    return Connector(_name(folder, relative, data), folder, relative=relative, data=data, names=names)


def _load(path: Path, shown: str) -> dict[str, Any]:
    from airbyte_ci.connectors import metadata  # slow to import, and not needed for files that were read before

    return metadata.load(path, shown)


def _names(folder: Path) -> frozenset[str]:
    return frozenset(item.name for item in os.scandir(folder))


def _name(folder: Path, relative: str, data: object) -> str:
    # The folder's name is the technical name in a monorepo; the folder of a single connector may have any name.
    if relative != ".":
        return folder.name
    repository = data.get("dockerRepository") if isinstance(data, dict) else None
    return str(repository or folder.name).rpartition("/")[2]


def _matching(root: Path, pattern: str) -> Iterator[tuple[Path, frozenset[str]]]:
    """Yields the folders of connectors that one glob matches, with the names in each."""
    _refuse_escape("connectors", pattern)
    prefix = pattern.removesuffix("**")
    if prefix != pattern and not any(mark in prefix for mark in "*?["):
        yield from ((Path(folder), names) for folder, names in _walk(str(root / prefix)))
    elif pattern == ".":
        yield from _with_metadata([root])
    else:
        try:
            found = [folder for folder in root.glob(pattern) if not SKIPPED & {*folder.relative_to(root).parts}]
        except (ValueError, IndexError, NotImplementedError, re.error) as error:
            raise ConfigurationError(f"the configuration's connectors {pattern!r} is not a glob: {error}") from error
        yield from ((folder, names) for folder, names in _with_metadata(found) if not _is_template(str(folder)))


def _refuse_escape(key: str, place: str) -> None:
    path = PurePosixPath(place)
    if path.is_absolute() or ".." in path.parts:
        raise ConfigurationError(f"the configuration's {key} {place!r} is outside of the repository")


def _with_metadata(folders: Iterable[Path]) -> Iterator[tuple[Path, frozenset[str]]]:
    return ((folder, _names(folder)) for folder in folders if (folder / METADATA).is_file())


def _is_template(folder: str) -> bool:
    """Returns whether the folder is a template for new connectors, with placeholders instead of metadata."""
    return "-scaffold-" in folder.rpartition(os.sep)[2]


def _walk(folder: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yields folders with metadata; does not search for connectors inside a connector."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    names = frozenset([entry.name for entry in entries])
    if METADATA in names:
        if not _is_template(folder):
            yield folder, names
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and entry.name not in SKIPPED:
            yield from _walk(entry.path)


def documentation(connector: Connector, configuration: Configuration) -> Path | None:
    """Returns the connector's documentation page, if it exists."""
    try:
        existing = (path for path in _pages(connector, configuration) if path.is_file())
        return next(existing, None)
    except (OSError, ValueError):
        return None  # the value cannot be a path (too long, a NUL, no URL)


def _pages(connector: Connector, configuration: Configuration) -> Iterator[Path]:
    for template in configuration.docs:
        yield configuration.root / _filled(template, connector)
    url = connector.data.get("documentationUrl")
    if isinstance(url, str) and not configuration.docs:
        path = posixpath.normpath(urlsplit(url).path.strip("/"))
        docs = configuration.root / "docs"
        # The connector's author writes the URL: it must not name a file outside of the documentation.
        if path != "." and (docs / f"{path}.md").resolve().is_relative_to(docs.resolve()):
            yield docs / f"{path}.md"


def _filled(template: str, connector: Connector) -> str:
    _refuse_escape("docs", template)
    try:
        return template.format(name=connector.short_name, type=connector.kind, connector=connector.name)
    except (LookupError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"the configuration's docs {template!r} is invalid ({error})",
            advice="use {name}, {type} and {connector}",
        ) from error


def containing(connectors: Sequence[Connector], place: Path) -> Connector | None:
    """Returns the connector whose folder contains `place`, so that commands there apply to it."""
    inside = [item for item in connectors if place == item.folder or item.folder in place.parents]
    return max(inside, key=lambda item: len(item.folder.parts), default=None)
