"""Validates the keys of a declaration and the types of their values, with one-line errors.

The keys are checked as the user wrote them, before `declare` interprets them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

# Raises ValueError that names the key; `where` is the path of keys to the value.
Shape = Callable[[Any, str], None]

ARCHITECTURES = ("amd64", "arm64", "arm", "386", "ppc64le", "riscv64", "s390x")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?(=\S+)?")


def check(document: Mapping[str, Any]) -> None:
    """Raises ValueError that names the key and the expected value."""
    _FILE(document, "")


def _is(expected: str, holds: Callable[[Any], bool]) -> Shape:
    def shape(value: object, where: str) -> None:
        if not holds(value):
            raise ValueError(f"{where} must be {expected}, not {_shown(value)}")

    return shape


def _shown(value: object) -> str:
    # YAML's null, true and false, as the user wrote them.
    words: dict[Any, str] = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else f"{value!r:.60}"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_word(value: object) -> bool:
    """Returns whether the value is a text or an integer."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _list(expected: str, item: Shape, *, filled: bool = False) -> Shape:
    def shape(value: object, where: str) -> None:
        if not isinstance(value, list) or (filled and not value):
            raise ValueError(f"{where} must be {expected}, not {_shown(value)}")
        for number, element in enumerate(value):
            item(element, f"{where}[{number}]")

    return shape


def _map(keys: Mapping[str, Shape], *needed: str, expected: str = "") -> Shape:
    """Accepts a map with only known keys, each with its shape, and all `needed` keys."""

    def shape(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{where} must be {expected or f'a map with {_all(keys)}'}, not {_shown(value)}")
        inside = f"{where}." if where else ""
        for key in value:
            if key not in keys:
                raise ValueError(f"unknown key {key!r}{f' in {where}' if where else ''} (known: {_all(keys)})")
        for key in needed:
            if key not in value:
                raise ValueError(f"{inside}{key} is missing")
        for key, element in value.items():
            keys[key](element, f"{inside}{key}")

    return shape


def _all(names: Mapping[str, Any]) -> str:
    return ", ".join(names)


def _pairs(where_each: str) -> Shape:
    """Accepts a map of names to texts."""

    def shape(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{where} must be a map of names to texts ({where_each}), not {_shown(value)}")
        for name, element in value.items():
            if not isinstance(name, str):
                raise ValueError(f"{where}: the name {_shown(name)} must be a text; put it in quotes")
            if not _is_word(element):
                raise ValueError(f"{where}.{name} must be a text, in quotes where needed, not {_shown(element)}")

    return shape


def _one_pair(value: Any, where: str) -> None:  # noqa: ANN401  # parsed data
    _pairs("NAME: text")(value, where)
    if len(value) != 1:
        raise ValueError(f"{where} must be one NAME: text, not {len(value)}; write a separate step for each")


def _step(value: object, where: str) -> None:
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"{where}: a step must have one key of {_all(_STEPS)}, unlike {_shown(value)}")
    ((kind, content),) = value.items()
    if kind not in _STEPS:
        raise ValueError(f"{where}: unknown step {kind!r} (known: {_all(_STEPS)})")
    _STEPS[kind](content, f"{where}.{kind}")


def _pattern(value: object, where: str) -> None:
    if not _is_word(value):
        raise ValueError(f"{where} must be a pattern (a text), not {_shown(value)}")
    try:
        re.compile(str(value))
    except re.error as error:
        raise ValueError(f"{where} must be a regular expression; {_shown(value)} is invalid: {error}") from error


def _platform(value: object, where: str) -> None:
    system, _, architecture = str(value).partition("/")
    if system != "linux" or architecture.partition("/")[0] not in ARCHITECTURES:
        known = ", ".join(f"linux/{item}" for item in ARCHITECTURES)
        raise ValueError(f"{where}: {_shown(value)} is not a supported platform ({known})")


def _extends(value: object, where: str) -> None:
    if isinstance(value, list) and value:
        for number, element in enumerate(value):
            _other(element, f"{where}[{number}]")
    else:
        _other(value, where)


_other = _is("a file next to this one, shipped:NAME, or a list of these", _is_text)
_text = _is("a text", _is_text)
_word = _is("a text", _is_word)
_path = _is("an absolute path", _matches("/.*"))
_packages = _list(
    "a list of Debian packages",
    _is("the name of a Debian package", lambda value: isinstance(value, str) and _PACKAGE.fullmatch(value) is not None),
)
_command = _list("a list of texts (the command and its arguments)", _word, filled=True)
_put = _map(
    {
        "path": _path,
        "contents": _text,
        "mode": _is('octal digits in quotes, such as "755"', _matches("[0-7]{3,4}")),
        "owner": _is('a user, or "user:group"', _is_word),
    },
    "path",
    "contents",
)
_STEPS: Mapping[str, Shape] = {
    "exec": _command,
    "env": _one_pair,
    "label": _one_pair,
    "user": _word,
    "workdir": _path,
    "file": _put,
}
_steps = _list("a list of steps", _step)
_FILE = _map(
    {
        "extends": _extends,
        "repository": _text,
        "version": _is("a semantic version such as 1.2.3", lambda value: isinstance(value, str | int | float)),
        "changelog": _is("a text that describes the changes", _is_text),
        "supported-until": _is("a date such as 2027-06-30", lambda value: value is not None),
        "root": _map(
            {
                "image": _is("an address such as docker.io/library/python:3.11-slim-bookworm@sha256:…", _is_text),
                "debian": _map({"suite": _text, "packages": _packages, "steps": _steps}, "suite", "packages"),
            },
            expected="a map with image: ADDRESS, debian: {suite, packages, steps}, or both",
        ),
        "python": _is('X.Y in quotes, such as "3.11"', _matches(r"3\.\d+")),
        "platforms": _list("a list of platforms such as linux/amd64", _platform, filled=True),
        "packages": _packages,
        "requirements": _is("a file next to this one", _is_text),
        "environment": _pairs("NAME: text"),
        "files": _list("a list of files", _put),
        "steps": _steps,
        "final-steps": _steps,
        "overrides": _list("a list of packages whose pins in extended declarations are replaced", _text),
        "entrypoint": _command,
        "user": _word,
        "workdir": _path,
        "checks": _list("a list of checks", _map({"name": _word, "run": _command, "expect": _pattern}, "name", "run")),
        "writable": _list("a list of absolute paths", _path),
        "requires-platform": _is('a version in quotes such as "0.63.0"', _matches(r"\d+(\.\d+)*")),
    }
)
