"""Resolves `extends`: joins YAML declarations key by key into one flat document, without interpreting values."""

import functools
from collections.abc import Callable, Collection, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from airbyte_ci.base_images.declaration import pins, shape
from airbyte_ci.base_images.declaration.pins import Pins
from airbyte_ci.documents import DocumentError, load_yaml
from airbyte_ci.errors import ConfigurationError

ReadBeside = Callable[[str], str]
Document = dict[str, Any]

SHIPPED = "shipped:"
_DEEPEST = 8
# Keys that are never inherited, because they describe one declaration only.
_OWN = ("repository", "version", "changelog", "supported-until")
_JOINED = ("packages", "writable")
_REPLACED = ("root", "python", "platforms", "user", "workdir", "entrypoint", "requires-platform")
_STEPS = ("steps", "final-steps")


def names() -> list[str]:
    """Returns the names of the shipped declarations, which follow `shipped:`."""
    return sorted(item.name.removesuffix(".yaml") for item in _folder().iterdir() if item.name.endswith(".yaml"))


def shipped(name: str) -> Document:
    """Returns a shipped declaration, flat; an unknown name raises ConfigurationError that lists all names."""
    return _finished(_shipped(name, ()))


def read(path: Path) -> Document:
    """Returns the flat declaration of a file; other files are relative to its folder. Raises ConfigurationError."""
    return _finished(_read(path, ()))


def parse(text: str, what: str, read_beside: ReadBeside) -> Document:
    """Returns the flat declaration of a text; `read_beside` returns the text of a file that the declaration names."""

    def other(name: str, chain: tuple[str, ...]) -> Document:
        return _flat(read_beside(name), name, read_beside=read_beside, other=other, chain=chain)

    return _finished(_flat(text, what, read_beside=read_beside, other=other, chain=()))


def _finished(document: Document) -> Document:
    """Returns the document with the requirements of all files as one text."""
    if "requirements" not in document:
        return document
    return {**document, "requirements": "\n".join(item.text for item in document["requirements"])}


Other = Callable[[str, tuple[str, ...]], Document]


def _folder() -> Traversable:
    return resources.files("airbyte_ci.base_images").joinpath("declarations")


def _shipped(name: str, chain: tuple[str, ...]) -> Document:
    if name not in names():
        raise ConfigurationError(f"there is no shipped declaration {name!r}", advice=f"use one of {', '.join(names())}")

    def beside(other: str) -> str:
        return _folder().joinpath(other).read_text("utf-8")

    what = f"{SHIPPED}{name}"
    return _flat(
        beside(f"{name}.yaml"),
        what,
        read_beside=beside,
        other=lambda other, so_far: _shipped(other, so_far),
        chain=(*chain, what),
    )


def _read(path: Path, chain: tuple[str, ...]) -> Document:
    what = str(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the base image declaration {path}: {error}") from error

    def beside(name: str) -> str:
        return (path.parent / name).read_text("utf-8")

    def other(name: str, so_far: tuple[str, ...]) -> Document:
        return _read((path.parent / name).resolve(), so_far)

    return _flat(text, what, read_beside=beside, other=other, chain=(*chain, str(path.resolve())))


def _flat(text: str, what: str, read_beside: ReadBeside, other: Other, chain: tuple[str, ...]) -> Document:
    document = _loaded(text, what)
    try:
        shape.check(document)
        own = _steps_only(document, read_beside)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{what} is invalid: requirements: {error}") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{what} is invalid: {error}") from error
    above = document.get("extends")
    if above is None:
        if document.get("overrides"):
            raise ConfigurationError(f"{what} is invalid: overrides needs a declaration that extends another one")
        return own
    if len(chain) > _DEEPEST:
        raise ConfigurationError(
            f"{what} is invalid: it extends itself or too many other declarations ({' → '.join(chain[-3:])})"
        )
    parents = [
        _shipped(name.removeprefix(SHIPPED), chain) if name.startswith(SHIPPED) else other(name, chain)
        for name in (above if isinstance(above, list) else [above])
    ]
    overrides = document.get("overrides") or []
    pins.refuse_unused([item for each in (*parents, own) for item in each.get("requirements", ())], overrides, what)
    return functools.reduce(lambda one, other: _joined(one, other, overrides, what), [*parents, own])


def _loaded(text: str, what: str) -> Document:
    try:
        document = load_yaml(text)
    except DocumentError as error:
        raise ConfigurationError(f"{what} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{what} is not a mapping of keys to values")
    return document


def _steps_only(document: Mapping[str, Any], read_beside: ReadBeside) -> Document:
    """Returns the document with environment and files converted to steps, and requirements to their text."""
    flat = {key: document[key] for key in (*_OWN, *_JOINED, *_REPLACED, "checks") if key in document}
    environment, files = document.get("environment") or {}, document.get("files") or []
    flat["steps"] = [
        *({"env": {name: value}} for name, value in environment.items()),
        *({"file": value} for value in files),
        *(document.get("steps") or []),
    ]
    if final := document.get("final-steps"):
        flat["final-steps"] = final
    if requirements := document.get("requirements"):
        flat["requirements"] = (Pins(str(requirements), read_beside(str(requirements))),)
    return flat


def _joined(parent: Document, own: Document, overrides: Collection[str], what: str) -> Document:
    inherited = {key: value for key, value in parent.items() if key not in _OWN}
    joined = {**inherited, **own}
    for key in _STEPS:
        if key in joined:
            joined[key] = [*parent.get(key, ()), *own.get(key, ())]
    for key in _JOINED:
        if values := [*(parent.get(key) or []), *(own.get(key) or [])]:
            joined[key] = list(dict.fromkeys(values))
    if "requirements" in parent and "requirements" in own:
        files = parent["requirements"]
        for pinned in own["requirements"]:
            files = pins.join(files, pinned, overrides, what)
        joined["requirements"] = files
    renewed = {_name(item) for item in own.get("checks") or []}
    checks = [item for item in parent.get("checks") or [] if _name(item) not in renewed]
    if checks or own.get("checks"):
        joined["checks"] = [*checks, *(own.get("checks") or [])]
    return joined


def _name(check: object) -> str:
    return str(check.get("name")) if isinstance(check, dict) else ""
