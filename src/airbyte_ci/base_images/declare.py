"""Declarations of base images: a file of data → a value. Nothing is built or looked up here."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from airbyte_ci.container.api import Exec, Operation, SetLabel, SetUser, SetVariable, SetWorkdir, WriteFile
from airbyte_ci.errors import ConfigurationError, ImageError
from airbyte_ci.oci.reference import Reference, parse_pinned

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class DebianRoot:
    """A root file system from Debian packages, and the steps that give it the shape of the official Python images."""

    suite: str
    packages: tuple[str, ...]
    steps: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class SanityCheck:
    """A command that must succeed in the image, and a pattern that its output must contain."""

    name: str
    run: tuple[str, ...]
    expect: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """A base image as its file says. `requirements` is the text of a hashed requirements file."""

    repository: str
    version: str
    changelog: str
    image_root: Reference | None
    debian_root: DebianRoot | None
    requirements: str
    steps: tuple[Operation, ...]
    checks: tuple[SanityCheck, ...]

    @property
    def address(self) -> Reference:
        """Without a digest: which one it will have is known when it is built."""
        return Reference.parse(f"{self.repository}:{self.version}")


def shipped() -> Declaration:
    """The python-connector-base that comes with this tool."""
    folder = resources.files("airbyte_ci.base_images").joinpath("declarations")
    text = folder.joinpath("python-connector-base.yaml").read_text("utf-8")
    return parse(text, "the shipped declaration", lambda name: folder.joinpath(name).read_text("utf-8"))


def read(path: Path) -> Declaration:
    """A declaration file; files that it names lie beside it. Raises ConfigurationError."""
    try:
        return parse(path.read_text("utf-8"), str(path), lambda name: (path.parent / name).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"reading the base image declaration {path}: {error}") from error


def parse(text: str, what: str, read_beside: Any) -> Declaration:
    """Raises ConfigurationError naming `what` and the key that is wrong."""
    try:
        document = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"reading {what}: {' '.join(str(error).split())}") from error
    try:
        root = document["root"]
        requirements = document.get("requirements")
        return Declaration(
            str(document["repository"]),
            str(document["version"]),
            str(document["changelog"]),
            parse_pinned(root["image"]) if root.get("image") else None,
            _debian(root["debian"]) if root.get("debian") else None,
            read_beside(str(requirements)) if requirements else "",
            tuple(_step(item) for item in document.get("steps") or []),
            tuple(
                SanityCheck(str(item["name"]), tuple(map(str, item["run"])), str(item.get("expect", "")))
                for item in document.get("checks") or []
            ),
        )
    except KeyError as error:
        raise ConfigurationError(f"reading {what}: {error.args[0]} is missing") from error
    except (TypeError, AttributeError, ValueError, ImageError, OSError) as error:
        raise ConfigurationError(f"reading {what}: {error}") from error


def _debian(document: Mapping[str, Any]) -> DebianRoot:
    return DebianRoot(
        str(document["suite"]),
        tuple(map(str, document["packages"])),
        tuple(_step(item) for item in document.get("steps") or []),
    )


def _step(document: Mapping[str, Any]) -> Operation:
    """`exec: [argv]`, `env: {NAME: value}` (one), `user: name`, `workdir: path`, `label: {…}`, `file: {path, …}`."""
    if len(document) != 1:
        raise ValueError(f"a step has one key, not {sorted(document)}")
    ((kind, value),) = document.items()
    match kind:
        case "exec":
            return Exec(tuple(map(str, value)))
        case "env":
            ((name, text),) = value.items()
            return SetVariable(str(name), str(text))
        case "label":
            ((name, text),) = value.items()
            return SetLabel(str(name), str(text))
        case "user":
            return SetUser(str(value))
        case "workdir":
            return SetWorkdir(str(value))
        case "file":
            mode = int(str(value.get("mode", "644")), 8)
            return WriteFile(str(value["path"]), str(value["contents"]), mode, str(value.get("owner", "")))
    raise ValueError(f"unknown step {kind!r}")
