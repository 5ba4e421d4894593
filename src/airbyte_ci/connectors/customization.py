"""build_customization.yaml: the declaration of what an image needs in addition to its base, its lock and its code.

`schemas/build_customization.json` has the same rules, for editors and other tools.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from airbyte_ci.documents import DocumentError, load_yaml
from airbyte_ci.errors import ConnectorError

FILE = "build_customization.yaml"
MODULE = "build_customization.py"
# Valid names, also used when drafting a declaration.
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SOURCE = re.compile(r"(?!/)(?!\.\.(/|$))(?!.*/\.\.(/|$)).+")
USER = re.compile(r"[a-z0-9_][a-z0-9_-]*(:[a-z0-9_][a-z0-9_-]*)?")
_MODE = re.compile(r"0?[0-7]{3}")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One file: its text, or its `source` in the connector's folder; `mode` is octal, None for the default."""

    content: str | None = None
    source: str | None = None
    mode: str | None = None

    def to_json(self) -> dict[str, str]:
        named = {"content": self.content, "source": self.source, "mode": self.mode}
        return {key: value for key, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Customization:
    """The declaration. Packages are Debian packages; `files` are keyed by absolute path.

    `post_install` is applied after the Python packages and the code; it has system packages, variables and files.
    """

    system_packages: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, ImageFile] = field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None
    post_install: "Customization | None" = None

    def __bool__(self) -> bool:
        return self != Customization()

    def to_json(self) -> dict[str, Any]:
        """Returns the document without empty values."""
        document: dict[str, Any] = {
            "systemPackages": list(self.system_packages),
            "buildPackages": list(self.build_packages),
            "env": dict(self.env),
            "files": {path: item.to_json() for path, item in self.files.items()},
            "user": self.user,
            "workdir": self.workdir,
            "postInstall": self.post_install.to_json() if self.post_install else None,
        }
        return {key: value for key, value in document.items() if value}


def parse(text: str, shown: str) -> Customization:
    """Parses the declaration; raises ConnectorError that names the file (`shown`) and the invalid entry."""
    try:
        document = load_yaml(text)
    except DocumentError as error:
        raise ConnectorError(f"{shown} is not valid YAML: {error}") from error
    if document is None:
        return Customization()
    return _customization(_table(document, "it", shown), "", _KEYS, shown)


_LATER = ("systemPackages", "env", "files")
_KEYS = (*_LATER, "buildPackages", "user", "workdir", "postInstall")


def _customization(table: Mapping[Any, Any], within: str, known: tuple[str, ...], shown: str) -> Customization:
    for key in table:
        if key not in known:
            place = f" in {within.rstrip('.')}" if within else ""
            raise ConnectorError(
                f"{shown} is invalid: unknown key {key!r}{place}", advice=f"known: {', '.join(sorted(known))}"
            )
    later = table.get("postInstall")
    return Customization(
        system_packages=_packages(table.get("systemPackages"), f"{within}systemPackages", shown),
        build_packages=_packages(table.get("buildPackages"), f"{within}buildPackages", shown),
        env={
            _matching(name, VARIABLE, f"a name in {within}env", shown): _text(value, f"{within}env.{name}", shown)
            for name, value in _table(table.get("env"), f"{within}env", shown).items()
        },
        files={
            _absolute(path, f"a path in {within}files", shown): _file(item, f"{within}files.{path}", shown)
            for path, item in _table(table.get("files"), f"{within}files", shown).items()
        },
        user=None if table.get("user") is None else _matching(table["user"], USER, "user", shown),
        workdir=None if table.get("workdir") is None else _absolute(table["workdir"], "workdir", shown),
        post_install=None
        if later is None
        else _customization(_table(later, "postInstall", shown), "postInstall.", _LATER, shown) or None,
    )


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of the file."""
    text = resources.files("airbyte_ci.connectors").joinpath("schemas/build_customization.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _table(value: object, what: str, shown: str) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConnectorError(f"{shown} is invalid: {what} must be a mapping, not {value!r}")
    return value


def _packages(value: object, what: str, shown: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len({str(item) for item in value}) < len(value):
        raise ConnectorError(f"{shown} is invalid: {what} must be a list of different names, not {value!r}")
    return tuple(_matching(item, PACKAGE, f"a name in {what}", shown) for item in value)


def _file(value: object, what: str, shown: str) -> ImageFile:
    table = _table(value, what, shown)
    if set(table) - {"content", "source", "mode"} or ("content" in table) == ("source" in table):
        raise ConnectorError(f"{shown} is invalid: {what} must have either content or source, and may have mode")
    return ImageFile(
        None if "content" not in table else _text(table["content"], f"{what}.content", shown),
        None if "source" not in table else _matching(table["source"], SOURCE, f"{what}.source", shown),
        None if "mode" not in table else _matching(table["mode"], _MODE, f"{what}.mode", shown),
    )


def _text(value: object, what: str, shown: str) -> str:
    if not isinstance(value, str):
        raise ConnectorError(f"{shown} is invalid: {what} must be a text, not {value!r}", advice="put it in quotes")
    return value


def _matching(value: object, pattern: re.Pattern[str], what: str, shown: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ConnectorError(f"{shown} is invalid: {what} cannot be {value!r}")
    return value


def _absolute(value: object, what: str, shown: str) -> str:
    if not isinstance(value, str) or not value.startswith("/") or ".." in value.split("/"):
        raise ConnectorError(f"{shown} is invalid: {what} must be an absolute path, not {value!r}")
    return value
