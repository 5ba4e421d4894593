"""The manifest of a low-code package as that of a manifest-only connector: its text with few edits, each proven.

Comments, order, anchors and `$ref` stay as they are. The result must load to the old document with the intended edits.
"""

from collections.abc import Mapping
from typing import Any

import yaml
from packaging.version import Version

from airbyte_ci.campaigns.changes.change import NotApplicable
from airbyte_ci.connectors.connector import MANIFEST
from airbyte_ci.connectors.manifest import KIND, load_document
from airbyte_ci.documents import DocumentError, load_json, load_yaml
from airbyte_ci.edits import yaml_nodes, yaml_text
from airbyte_ci.edits.yaml_events import read
from airbyte_ci.errors import EditRefused

# The first framework whose image starts every kind of manifest, so each base image can run a manifest of this version.
FIRST = "4.3.2"
# Earlier manifests are in another language: https://github.com/airbytehq/airbyte/blob/master/docs/connector-development
_BETA = "0.29.0"
_SPEC_KEYS: Mapping[str, str] = {
    "documentationUrl": "documentation_url",
    "documentation_url": "documentation_url",
    "connectionSpecification": "connection_specification",
    "connection_specification": "connection_specification",
    "advanced_auth": "advanced_auth",
}


def load(text: str, place: str) -> dict[str, Any]:
    """Returns the manifest's document; raises NotApplicable where it is invalid or in the language before 0.29.0."""
    try:
        document = load_document(text)
    except DocumentError as error:
        raise EditRefused(f"{place}: it is not valid YAML: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("version"), str):
        raise EditRefused(f"{place}: it has no version", advice="add the version of the framework as a string")
    return document


def version_of(document: Mapping[str, Any], place: str) -> str:
    """Returns the version to write: the manifest's own, or the first that every framework image understands."""
    try:
        own = Version(document["version"])
    except ValueError as error:
        raise EditRefused(f"{place}: its version {document['version']!r} is not the version of a framework") from error
    if own < Version(_BETA):
        raise NotApplicable(
            f"its manifest is of version {document['version']}, and frameworks from {_BETA} on read another language"
        )
    return document["version"] if own > Version(FIRST) else FIRST


def with_kind(text: str, version: str) -> str:
    """Returns the text with the version, and with the type below it where that is missing."""
    text = yaml_text.set_scalar(text, ("version",), version)
    if "type" in {key.event.value for key, _ in read(text).root.pairs}:
        return text
    return yaml_text.insert_scalar(text, ("type",), KIND, behind="version")


def with_classes(text: str, renamed: Mapping[str, str]) -> str:
    """Returns the text with other names of classes."""
    return yaml_nodes.rewrite(
        text, lambda path, value: renamed.get(value) if path and path[-1] == "class_name" else None
    )


def with_specification(text: str, content: str, name: str) -> str:
    """Returns the text with the specification file `name` as its last key, `spec`."""
    return yaml_nodes.append_block(text, _of_json(content, name) if name.endswith(".json") else _of_yaml(content, name))


def specification(content: str, name: str) -> dict[str, Any]:
    """Returns the value of `spec` for a specification file; raises NotApplicable for what a manifest cannot say."""
    try:
        document = load_json(content) if name.endswith(".json") else load_yaml(content)
    except DocumentError as error:
        raise EditRefused(f"{name}: it is not valid: {error}") from error
    if not isinstance(document, dict) or not {"connectionSpecification", "connection_specification"} & document.keys():
        raise EditRefused(f"{name}: it has no connectionSpecification")
    if unknown := sorted(key for key, value in document.items() if key not in _SPEC_KEYS and value):
        raise NotApplicable(f"{name} has {', '.join(unknown)}, which a manifest cannot say")
    return {"type": "Spec", **{_SPEC_KEYS[key]: value for key, value in document.items() if key in _SPEC_KEYS}}


def dump(value: object) -> str:
    """Returns a value of JSON as YAML, a key a line, in its order."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(
        value, Dumper=dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=1 << 20
    )
    return text


def _of_json(content: str, name: str) -> str:
    return dump({"spec": specification(content, name)})


def _of_yaml(content: str, name: str) -> str:
    """The lines of the file, moved to the right, with the keys that manifests use."""
    text = content.replace("\r\n", "\n").removeprefix("\ufeff")
    root = read(text).root
    if root.kind != "mapping" or root.flow or any(_column(text, key.start) for key, _ in root.pairs):
        return dump({"spec": specification(content, name)})
    end = text.find("\n", root.end - 1) + 1 or len(text)
    starts = [key.start for key, _ in root.pairs]
    lines = ["spec:\n", "  type: Spec\n"]
    for (key, _), following in zip(root.pairs, [*starts[1:], end], strict=True):
        if new := _SPEC_KEYS.get(key.event.value):
            lines.append(yaml_nodes.indent(new + text[key.end : following], 2))
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _column(text: str, at: int) -> int:
    return at - (text.rfind("\n", 0, at) + 1)


def prove(text: str, expected: Mapping[str, Any], place: str) -> None:
    """Raises EditRefused where the text does not load to the expected document."""
    try:
        found = load_document(text)
    except DocumentError as error:
        raise EditRefused(f"{place}: {MANIFEST} would not be valid YAML: {error}") from error
    if found != expected:
        raise EditRefused(f"{place}: {MANIFEST} would not mean the same", advice="move it by hand")
