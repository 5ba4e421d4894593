"""JSON schemas of streams, from files of the package into the manifest.

A framework image has no such files, so each stream that reads one gets a loader with the schema itself.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airbyte_ci.campaigns.changes.change import NotApplicable
from airbyte_ci.campaigns.low_code.manifest_text import dump
from airbyte_ci.documents import DocumentError, load_json
from airbyte_ci.edits import yaml_nodes

_PARAMETER = re.compile(r"\{\{\s*parameters(?:\.(\w+)|\[\s*['\"](\w+)['\"]\s*\])\s*\}\}")
_BY_DEFAULT = "{{ parameters['name'] }}.json"
_LOADER = "schema_loader"

Path = tuple[str | int, ...]


def inline(text: str, document: dict[str, Any], package: str, files: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Returns the text and its document with the schemas that streams read from `files`, by their paths in the package.

    Raises NotApplicable where the file of a stream cannot be known from the text.
    """
    wanted: dict[Path, str] = {}
    for path in _streams(document):
        file = _file(document, path, package, files)
        if file is not None and wanted.setdefault(path, file) != file:
            raise NotApplicable(f"streams share {'.'.join(map(str, path))} with different schemas")
    if not wanted:
        return text, document
    if "schemas" in document:
        raise NotApplicable("its manifest has schemas of its own, and its streams read others from files")
    document = copy.deepcopy(document)
    for path, file in wanted.items():
        node = _at(document, path)
        loader = {"type": "InlineSchemaLoader", "schema": {"$ref": f"#/schemas/{_name(file)}"}}
        if _LOADER in node:
            text = yaml_nodes.remove_key(text, path, _LOADER)
        text = yaml_nodes.insert_block(text, path, dump({_LOADER: loader}))
        node.pop(_LOADER, None)
        node[_LOADER] = loader
    schemas = {_name(file): _schema(file, files[file]) for file in sorted(set(wanted.values()))}
    document["schemas"] = schemas
    return yaml_nodes.append_block(text, dump({"schemas": schemas})), document


def _name(file: str) -> str:
    return file.removeprefix("schemas/").removesuffix(".json").replace("/", "_")


def _schema(file: str, content: str) -> object:
    try:
        schema = load_json(content)
    except DocumentError as error:
        raise NotApplicable(f"{file} is not valid JSON: {error}") from error
    if '"$ref"' in content:
        raise NotApplicable(f"{file} refers to other schemas with $ref")
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind != "object" and not isinstance(kind, list):
        # The framework adds the parameters of a stream to mappings inside it that do not look like schemas.
        raise NotApplicable(f'{file} has no type "object" at its top, so the framework would not take it for a schema')
    return schema


def _streams(document: Mapping[str, Any]) -> Iterator[Path]:
    """The places of the mappings that define the streams."""
    streams = document.get("streams")
    for number, item in enumerate(streams if isinstance(streams, Sequence) else ()):
        path: Path = ("streams", number)
        while isinstance(item, str) or (isinstance(item, dict) and item.keys() == {"$ref"}):
            path = _target(item if isinstance(item, str) else item["$ref"])
            item = _at(document, path)
        if not isinstance(item, dict):
            raise NotApplicable(f"its stream {number + 1} is not a mapping")
        yield path


def _target(reference: object) -> Path:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        raise NotApplicable(f"its manifest refers to {reference!r}")
    return tuple(int(part) if part.isdigit() else part for part in reference.removeprefix("#/").split("/"))


def _at(document: Any, path: Path) -> Any:  # noqa: ANN401  # parsed data
    for part in path:
        try:
            document = document[part]
        except (LookupError, TypeError) as error:
            raise NotApplicable(f"its manifest refers to {'/'.join(map(str, path))}, which it does not have") from error
    return document


def _resolved(document: Mapping[str, Any], node: object, depth: int = 0) -> Any:  # noqa: ANN401  # parsed data
    """A mapping with what it refers to; its own keys win, as in the framework."""
    if isinstance(node, str) and node.startswith("#/"):
        return _resolved(document, _at(document, _target(node)), depth + 1)
    if not isinstance(node, dict) or "$ref" not in node or depth > 50:
        return node
    target = _resolved(document, _at(document, _target(node["$ref"])), depth + 1)
    own = {key: value for key, value in node.items() if key != "$ref"}
    return {**target, **own} if isinstance(target, dict) else target


def _file(document: Mapping[str, Any], path: Path, package: str, files: Mapping[str, str]) -> str | None:
    """The file from which a stream reads its schema; None where the manifest itself has it, or nothing has."""
    stream = _resolved(document, _at(document, path))
    loader = _resolved(document, stream.get(_LOADER))
    if isinstance(loader, dict) and loader.get("type") not in (None, "JsonFileSchemaLoader"):
        return None
    given = loader if isinstance(loader, dict) else {}
    parameters = {**_parameters(document, stream), **_parameters(document, given)}
    parameters.setdefault("name", stream.get("name"))
    template = given.get("file_path") or _BY_DEFAULT
    name = _PARAMETER.sub(lambda found: str(parameters.get(found[1] or found[2], found[0])), str(template))
    if "{{" in name:
        raise NotApplicable(f"the schema of a stream is in {template}, which depends on more than its parameters")
    name = name.removeprefix("./").removeprefix(f"{package}/")
    candidates = (name, f"schemas/{name}") if template == _BY_DEFAULT else (name,)
    found = next((candidate for candidate in candidates if candidate in files), None)
    if found is None and template != _BY_DEFAULT:
        raise NotApplicable(f"a stream reads its schema from {name}, which its package does not have")
    return found


def _parameters(document: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    found = _resolved(document, node.get("$parameters"))
    return dict(found) if isinstance(found, dict) else {}
