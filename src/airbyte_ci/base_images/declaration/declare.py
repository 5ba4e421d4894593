"""Parses declarations of base images into values, without building anything.

The module `extend` resolves `extends`; this module parses the complete document.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import semver

from airbyte_ci.base_images.catalog import entry
from airbyte_ci.base_images.declaration import extend
from airbyte_ci.dagger import Exec, Operation, SetEntrypoint, SetLabel, SetUser, SetVariable, SetWorkdir, WriteFile
from airbyte_ci.errors import ConfigurationError, ImageError
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.reference import Reference

# Names the Python (X.Y) of an image for programs that read registries without running the image.
PYTHON_LABEL = "io.airbyte.ci.python"
DEFAULT = "python-connector-base"
_PLATFORMS = ("linux/amd64", "linux/arm64")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A declared base image. `requirements` is the text of a hashed requirements file.

    `final_steps` run after the requirements are installed. `python` (X.Y) is the required Python, `packages` are Debian
    packages, and `writable` are paths that the user may write in addition to its home, the working directory and /tmp.
    `document` is the complete declaration as plain data.
    """

    repository: str
    version: str
    changelog: str
    image_root: Reference | None
    debian_root: DebianRoot | None
    requirements: str
    steps: tuple[Operation, ...]
    final_steps: tuple[Operation, ...]
    checks: tuple[SanityCheck, ...]
    platforms: tuple[Platform, ...]
    packages: tuple[str, ...]
    python: str
    writable: tuple[str, ...]
    supported_until: datetime.date | None
    requires_platform: str
    document: Mapping[str, Any]

    @property
    def address(self) -> Reference:
        """Returns the address without a digest, which is known only after the build."""
        return Reference.parse(f"{self.repository}:{self.version}")


def shipped(name: str = DEFAULT) -> Declaration:
    """Returns a shipped declaration; an unknown name raises ConfigurationError that lists all names."""
    return from_document(extend.shipped(name), f"the shipped declaration {name}")


def read(path: Path) -> Declaration:
    """Returns the declaration of a file, including everything that it extends. Raises ConfigurationError."""
    return from_document(extend.read(path), str(path))


def parse(text: str, what: str, read_beside: extend.ReadBeside) -> Declaration:
    """Parses a declaration's text. Raises ConfigurationError that names `what` and the invalid key."""
    return from_document(extend.parse(text, what, read_beside), what)


def from_document(document: Mapping[str, Any], what: str) -> Declaration:
    """Returns the declaration of a flat document; raises ConfigurationError."""
    try:
        return _declaration(document)
    except KeyError as error:
        raise ConfigurationError(f"{what} is invalid: {error.args[0]} is missing") from error
    except (TypeError, AttributeError, ValueError, ImageError) as error:
        raise ConfigurationError(f"{what} is invalid: {error}") from error


def _declaration(document: Mapping[str, Any]) -> Declaration:
    root = document["root"]
    image, debian = root.get("image"), root.get("debian")
    if not image and not debian:
        raise ValueError("the root has neither image nor debian")
    final = _steps(document.get("final-steps"))
    return Declaration(
        repository=_repository(document["repository"]),
        version=_version(document["version"]),
        changelog=str(document["changelog"]),
        image_root=Reference.parse(str(image)) if image else None,
        debian_root=_debian(debian) if debian else None,
        requirements=str(document.get("requirements") or ""),
        steps=(*_steps(document.get("steps")), *(() if final else _last(document))),
        final_steps=(*final, *(_last(document) if final else ())),
        checks=tuple(
            SanityCheck(str(item["name"]), tuple(map(str, item["run"])), str(item.get("expect", "")))
            for item in document.get("checks") or []
        ),
        platforms=tuple(Platform.parse(str(item)) for item in document.get("platforms") or _PLATFORMS),
        packages=tuple(map(str, document.get("packages") or [])),
        python=str(document.get("python") or ""),
        writable=tuple(map(str, document.get("writable") or [])),
        supported_until=_day(document.get("supported-until")),
        requires_platform=entry.platform_version(document.get("requires-platform")),
        document=document,
    )


def _repository(value: object) -> str:
    reference = Reference.parse(str(value))
    if reference.tag or reference.digest:
        raise ValueError(f"repository {value!r} has a tag or a digest; the version is the tag")
    return f"{reference.registry}/{reference.repository}"


def _version(value: object) -> str:
    if not semver.Version.is_valid(str(value)):
        raise ValueError(f"version {value!r} is not a semantic version such as 1.2.3 or 1.2.3-rc.1")
    return str(value)


def _day(value: object) -> datetime.date | None:
    if value is None or isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(f"supported-until {value!r} is not a date such as 2027-06-30") from error


def _debian(document: Mapping[str, Any]) -> DebianRoot:
    packages = tuple(map(str, document["packages"]))
    return DebianRoot(str(document["suite"]), packages, _steps(document.get("steps")))


def _last(document: Mapping[str, Any]) -> tuple[Operation, ...]:
    """Returns the user and the working directory as the last steps: all earlier steps run as root."""
    folder, user, entrypoint = (document.get(key) for key in ("workdir", "user", "entrypoint"))
    return (
        *((SetEntrypoint(tuple(map(str, entrypoint))),) if entrypoint else ()),
        *((SetWorkdir(str(folder)),) if folder else ()),
        *((SetUser(str(user)),) if user else ()),
    )


def _steps(documents: Sequence[Mapping[str, Any]] | None) -> tuple[Operation, ...]:
    return tuple(_step(item) for item in documents or [])


def _step(document: Mapping[str, Any]) -> Operation:
    """`exec: [argv]`, `env: {NAME: value}` (one), `user: name`, `workdir: path`, `label: {…}`, `file: {path, …}`."""
    if not isinstance(document, Mapping) or len(document) != 1:
        raise ValueError(f"a step must have exactly one key, unlike {document!r:.60}")
    ((kind, value),) = document.items()
    match kind:
        case "exec" if isinstance(value, list):
            return Exec(tuple(map(str, value)))
        case "exec":
            raise ValueError(f"the step exec needs a list, not {value!r:.60}")
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
            return _file(value)
    raise ValueError(f"unknown step {kind!r}")


def _file(value: Mapping[str, Any]) -> WriteFile:
    mode = int(str(value.get("mode", "644")), 8)
    return WriteFile(str(value["path"]), str(value["contents"]), mode, str(value.get("owner", "")))
