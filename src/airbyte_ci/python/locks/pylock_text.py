"""Writes pylock.toml (PEP 751): the one canonical form of a resolution. Selects nothing."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import (
    FromArchive,
    FromDirectory,
    FromGit,
    FromIndex,
    Lock,
    LockedFile,
    LockedPackage,
)

Environment = tuple[str, Lock]
"""A marker and what was resolved where it holds."""


def marker(interpreter: Interpreter) -> str:
    """Returns the environments that equal an interpreter's as far as resolutions differ."""
    found = interpreter.markers
    return (
        f"python_version == '{found['python_version']}' and sys_platform == '{found['sys_platform']}' "
        f"and platform_machine == '{found['platform_machine']}'"
    )


def render(environments: Iterable[Environment], tool: Mapping[str, Any]) -> str:
    """Returns the text; a package that is the same in all environments appears once and without a marker."""
    resolved = list(environments)
    lines = ['lock-version = "1.0"', f"environments = {_array(text for text, _ in resolved)}"]
    merged = merge(resolved)
    # PEP 751 requires the key, and an array of tables cannot be empty.
    lines += ['created-by = "airbyte-ci"', *([] if merged else ["packages = []"]), ""]
    for package, markers in merged:
        lines += [*_package(package, "" if len(markers) == len(resolved) else " or ".join(markers)), ""]
    lines += ["[tool.airbyte-ci]", *(f"{key} = {_value(value)}" for key, value in sorted(tool.items()))]
    return "\n".join([*lines, ""])


def merge(resolved: list[Environment]) -> list[tuple[LockedPackage, list[str]]]:
    """Returns each package once, sorted, with the markers of the environments that have it."""
    found: dict[tuple[str, str, str], tuple[LockedPackage, list[str]]] = {}
    for text, lock in resolved:
        for package in lock.packages:
            key = (package.name, package.version, str(package.origin))
            found.setdefault(key, (package, []))[1].append(f"({text})")
    return [found[key] for key in sorted(found)]


def _package(package: LockedPackage, condition: str) -> Iterator[str]:
    yield "[[packages]]"
    yield f"name = {_value(package.name)}"
    if package.version:
        yield f"version = {_value(package.version)}"
    if condition:
        yield f"marker = {_value(condition)}"
    match package.origin:
        case FromIndex(url):
            if url:
                yield f"index = {_value(url)}"
            yield from _files(package.files)
        case FromDirectory(path, editable, subdirectory):
            yield f"directory = {_table({'path': path, 'editable': editable, 'subdirectory': subdirectory})}"
        case FromGit(url, commit, subdirectory, requested):
            details = {"type": "git", "url": url, "requested-revision": requested, "commit-id": commit}
            yield f"vcs = {_table({**details, 'subdirectory': subdirectory})}"
        case FromArchive(place, subdirectory):
            kind = "url" if "://" in place else "path"
            hashes = {"sha256": package.files[0].sha256}
            yield f"archive = {_table({kind: place, 'hashes': hashes, 'subdirectory': subdirectory})}"
    if package.required_by:
        yield f"tool.airbyte-ci.required-by = {_array(package.required_by)}"


def _files(files: Iterable[LockedFile]) -> Iterator[str]:
    sdists = [file for file in files if not file.name.endswith(".whl")]
    if sdists:
        yield f"sdist = {_file(sdists[0])}"
    wheels = [file for file in files if file.name.endswith(".whl")]
    if wheels:
        yield "wheels = ["
        yield from (f"    {_file(file)}," for file in wheels)
        yield "]"


def _file(file: LockedFile) -> str:
    return _table({"name": file.name, "url": file.url, "hashes": {"sha256": file.sha256}})


def _table(values: Mapping[str, Any]) -> str:
    # Empty and false values are the reader's defaults.
    return "{" + ", ".join(f"{_key(key)} = {_value(value)}" for key, value in values.items() if value) + "}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _array(values: Iterable[str]) -> str:
    return f"[{', '.join(map(_value, values))}]"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return _table(value)
    if isinstance(value, (list, tuple)):
        return _array(value)
    # A JSON string or boolean is valid TOML, except for characters outside of the basic plane.
    return json.dumps(value, ensure_ascii=False)
