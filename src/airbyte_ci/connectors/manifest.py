"""The declarations of a manifest-only connector's manifest. It is read as data; nothing of it runs.

Look here for the framework version that a connector was written for, and for its custom components.
Source: https://docs.airbyte.com/platform/connector-development/config-based/understanding-the-yaml-file/yaml-overview
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from airbyte_ci.connectors.connector import COMPONENTS, MANIFEST, MANIFEST_PACKAGE, Connector
from airbyte_ci.documents import DocumentError, load_yaml, read_file
from airbyte_ci.errors import ConnectorError

# The distribution of the framework.
FRAMEWORK = "airbyte-cdk"
# The module that manifests name.
_MODULE = f"{MANIFEST_PACKAGE}.components"
# Manifests hold the schemas of their streams: the largest of 186 has 1.2 MB. Nesting that fits into these limits stays
# below the depth at which libyaml crashes.
_SIZE_LIMIT = 4 << 20
_BRACKET_LIMIT = 5_000
KIND = "DeclarativeSource"


@dataclass(frozen=True, slots=True)
class DeclarativeManifest:
    """The declarations of a manifest: the framework version it was written for, and the classes that it names.

    `components` are names of classes in components.py; `foreign` are full names of classes outside of the framework.
    """

    version: str
    components: tuple[str, ...]
    foreign: tuple[str, ...]


def read(connector: Connector) -> DeclarativeManifest:
    """Reads manifest.yaml; raises ConnectorError with the file, and the invalid line or key."""
    path = connector.folder / MANIFEST
    place = f"{connector.relative}/{MANIFEST}"
    try:
        document = load_document(read_file(path, _SIZE_LIMIT).decode())
    except FileNotFoundError as error:
        raise ConnectorError(f"{place}: the file is missing") from error
    except DocumentError as error:
        line = "" if error.line is None else f":{error.line}"
        raise ConnectorError(f"{place}{line}: is not valid YAML ({error.reason})") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectorError(f"{place}: cannot be read ({error})") from error
    if not isinstance(document, dict):
        raise ConnectorError(f"{place}: is not a mapping")
    # The framework itself adds the type if it is missing.
    if (kind := document.get("type", KIND)) != KIND:
        raise ConnectorError(f"{place}: its type is {kind!r}, not {KIND!r}")
    names = class_names(document)
    prefix = f"{_MODULE}."
    return DeclarativeManifest(
        _version(document.get("version"), place),
        tuple(name.removeprefix(prefix) for name in names if name.startswith(prefix)),
        tuple(name for name in names if not name.startswith((prefix, "airbyte_cdk."))),
    )


def load_document(text: str) -> Any:  # noqa: ANN401  # parsed data
    """Returns the value of a manifest's text; raises DocumentError."""
    return load_yaml(text, _SIZE_LIMIT, _BRACKET_LIMIT)


def missing_components(connector: Connector, manifest: DeclarativeManifest) -> tuple[str, ...]:
    """Returns the classes that the manifest names and components.py does not define or import.

    Raises ConnectorError for a components.py that is not valid Python.
    """
    if not manifest.components:
        return ()
    path = connector.folder / COMPONENTS
    return tuple(name for name in manifest.components if name not in _defined_names(path, connector.relative))


def _version(value: object, place: str) -> str:
    try:
        return str(Version(str(value)))
    except InvalidVersion as error:
        raise ConnectorError(f"{place}: its version {value!r} is not the version of a framework") from error


def class_names(document: object) -> tuple[str, ...]:
    """Returns the full names of the classes in a manifest's document, sorted."""
    return tuple(sorted(set(_class_names(document))))


def _class_names(document: object) -> Iterator[str]:
    """Yields every `class_name` in the document; visits nodes that aliases share once."""
    waiting, seen = [document], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            name = node.get("class_name")
            if isinstance(name, str):
                yield name
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _defined_names(path: Path, relative: str) -> frozenset[str]:
    """Returns the names at the top level of a module, including `if` and `try` blocks; empty for a missing file."""
    try:
        tree = ast.parse(path.read_bytes())
    except FileNotFoundError:
        return frozenset()
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ConnectorError(f"{relative}/{path.name}{line}: is not valid Python ({reason})") from error
    return frozenset(_names(tree.body))


def _names(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from ((item.asname or item.name) for item in names)
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.If(body=first, orelse=second):
                yield from _names([*first, *second])
            case ast.Try(body=first, handlers=handlers, orelse=second):
                yield from _names([*first, *(item for handler in handlers for item in handler.body), *second])
