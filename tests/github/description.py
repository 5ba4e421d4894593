"""GitHub's published OpenAPI description, which requests to a double and its answers are validated with.

It comes from npm (13 MB) when a test first needs it, and is kept in .scratch, never committed.
"""

import copy
import functools
import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator

PACKAGE, VERSION = "@octokit/openapi", "23.0.2"
PUBLIC, ENTERPRISE = "api.github.com", "ghes-3.19"
_KEPT = Path(__file__).parents[2] / ".scratch" / f"github-openapi-{VERSION}"


@dataclass(frozen=True)
class Operation:
    """One method of one path, and what a request's path gives for the path's variables."""

    name: str
    document: Mapping[str, Any]
    variables: Mapping[str, str]


class Description:
    """One GitHub's description: what a request may be, and what its answer must be."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._paths = [
            (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))), path) for path in document["paths"]
        ]

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation of a request; of several paths that match the one with the fewest variables."""
        found = [(template, match) for pattern, template in self._paths if (match := pattern.fullmatch(path))]
        for template, match in sorted(found, key=lambda item: item[0].count("{")):
            document = self._document["paths"][template].get(method.lower())
            if document:
                variables = {name: unquote(value) for name, value in match.groupdict().items()}
                return Operation(f"{method} {template}", document, variables)
        return None

    def objections_to_request(self, operation: Operation, query: Mapping[str, str], body: Any) -> Iterator[str]:
        """The errors of a request's parameters and body."""
        given = {"path": dict(operation.variables), "query": dict(query)}
        for raw in operation.document.get("parameters", []):
            parameter = self._resolved(raw)
            text = given.get(parameter["in"], {}).pop(parameter["name"], None)
            if text is not None:
                yield from self._invalid(
                    _read(text, self._resolved(parameter["schema"])), parameter["schema"], parameter["name"]
                )
            elif parameter.get("required"):
                yield f"{parameter['name']} is missing"
        yield from (f"there is no parameter {name}" for name in given["query"])
        content = self._resolved(operation.document.get("requestBody", {})).get("content", {})
        if "application/json" in content and body is not None:
            yield from self._invalid(body, content["application/json"]["schema"], "body")
        elif body is not None:
            yield "it takes no body"

    def objections_to_answer(self, operation: Operation, status: int, body: Any) -> Iterator[str]:
        """The errors of an answer, which keep the double honest."""
        answer = operation.document["responses"].get(str(status))
        if answer is None:
            yield f"status {status} is not described"
            return
        content = self._resolved(answer).get("content", {}).get("application/json")
        if content:
            yield from self._invalid(body, content["schema"], "answer")

    def example(self, name: str) -> Any:
        """A copy of one of the description's own examples."""
        return copy.deepcopy(self._document["components"]["examples"][name]["value"])

    def _resolved(self, value: Any) -> Any:
        while "$ref" in value:
            value = functools.reduce(lambda inner, key: inner[key], value["$ref"].split("/")[1:], self._document)
        return value

    def _invalid(self, value: Any, schema: Any, what: str) -> Iterator[str]:
        needed: dict[str, Any] = {}
        root = self._json_schema(schema, needed)
        validator = Draft202012Validator({"allOf": [root], "$defs": needed})
        yield from (f"{what}{error.json_path[1:]}: {error.message[:200]}" for error in validator.iter_errors(value))

    def _json_schema(self, schema: Any, needed: dict[str, Any]) -> Any:
        """OpenAPI 3.0's dialect as JSON Schema: `nullable` is a type; `needed` receives what is referred to."""
        if isinstance(schema, list):
            return [self._json_schema(item, needed) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if isinstance(reference := schema.get("$ref"), str):
            name = reference.rpartition("/")[2]
            if name not in needed:
                needed[name] = True
                needed[name] = self._json_schema(self._resolved(schema), needed)
            return {"$ref": f"#/$defs/{name}"}
        plain = {
            key: self._json_schema(item, needed) for key, item in schema.items() if key not in ("nullable", "example")
        }
        return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


@functools.cache
def of(name: str) -> Description:
    """The description of GitHub (PUBLIC) or of GitHub Enterprise Server (ENTERPRISE)."""
    path = _KEPT / f"{name}.json"
    if not path.exists():
        _fetch()
    return Description(json.loads(path.read_bytes()))


def _fetch() -> None:
    _KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_KEPT) as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{PACKAGE}@{VERSION}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            for name in (PUBLIC, ENTERPRISE):
                member = tar.extractfile(f"package/generated/{name}.json")
                assert member is not None
                staged = Path(folder) / f"{name}.json"
                staged.write_bytes(member.read())
                staged.replace(_KEPT / f"{name}.json")


def _read(text: str, schema: Mapping[str, Any]) -> Any:
    """A parameter's text as its value."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    return {"true": True, "false": False}.get(text, text) if schema.get("type") == "boolean" else text
