"""Checks whether a connector's lock works with another Python, by the tags of its wheels. Nothing is downloaded."""

import functools
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from airbyte_ci.connectors import pylock_names
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.documents import DocumentError, load_toml

_SHOWN = 3
# Begins with a line break, which is searched much faster than the beginning of a line.
_ENTRY = re.compile(rb"\n\[\[packages?\]\]")


class LockEntry(NamedTuple):
    """A locked package: the names of its wheels, and whether it has an sdist."""

    name: str
    wheels: tuple[str, ...]
    has_sdist: bool


def consequences(connector: Connector, before: str, after: str) -> tuple[str, ...]:
    """Returns the consequences for the lock of Python `after` (X.Y) instead of `before`; empty without a lock."""
    locks = ("poetry.lock", "uv.lock", *pylock_names.of(connector.names))  # in the order in which the build reads them
    name = next((lock for lock in locks if lock in connector.names), None)
    if name is None:
        return ()
    try:
        head, entries = _split(connector.folder / name)
        lost = [package for entry in entries for package in _without_wheel(entry, before, after)]
    except (OSError, DocumentError):
        return ()
    advice = f"airbyte-ci connectors --name={connector.name} lock" if name == pylock_names.FILE else "lock again"
    environments = head.get("environments")
    if isinstance(environments, list) and environments and not any(_is_for(item, after) for item in environments):
        return (f"{name} was resolved for Python {before}, and not for {after}: {advice}",)
    missing = [package.name for package in lost if not package.has_sdist]
    compiled = [package.name for package in lost if package.has_sdist]
    notes = [f"{name} has no wheel for Python {after} of {_some(missing)}: {advice}"] if missing else []
    if compiled:
        notes.append(f"{name} has no wheel for Python {after} of {_some(compiled)}, which is compiled: {advice}")
    return tuple(notes)


def _split(path: Path) -> tuple[Mapping[str, Any], list[bytes]]:
    """Returns the values before the packages of a lock file, and the text of each package."""
    raw = b"\n" + path.read_bytes()
    places = [found.start() for found in _ENTRY.finditer(raw)]
    entries = [raw[start:end] for start, end in pairwise([*places, len(raw)])]
    return _loaded(raw[: places[0]] if places else raw), entries


def _loaded(raw: bytes) -> dict[str, Any]:
    return load_toml(raw.decode("utf-8", errors="replace"))


def _is_for(environment: object, python: str) -> bool:
    """Returns whether a marker of `environments` names a Python, or none at all."""
    versions = re.findall(r"python(?:_full)?_version == [\"'](\d+\.\d+)", str(environment))
    return not versions or python in versions


@functools.lru_cache(maxsize=20_000)  # connectors lock many packages alike
def _without_wheel(raw: bytes, before: str, after: str) -> tuple[LockEntry, ...]:
    """Returns the packages of this part of a lock file that have a wheel for `before`, and none for `after`."""
    return tuple(
        package
        for package in _entries(raw)
        if any(_fits(wheel, before) for wheel in package.wheels)
        and not any(_fits(wheel, after) for wheel in package.wheels)
    )


def _entries(raw: bytes) -> Iterator[LockEntry]:
    """Yields the packages of a part of a lock file, in all three formats; raises DocumentError."""
    document = _loaded(raw)
    packages = document.get("package") or document.get("packages")
    for package in packages if isinstance(packages, list) else ():
        if not isinstance(package, dict):
            continue
        listed = [*(package.get("files") or ()), *(package.get("wheels") or ())]
        files = [item for item in listed if isinstance(item, dict)]
        names = [
            str(item.get("file") or item.get("name") or item.get("url") or "").rpartition("/")[2] for item in files
        ]
        has_sdist = bool(package.get("sdist")) or any(name.endswith((".tar.gz", ".zip")) for name in names)
        wheels = tuple(name for name in names if name.endswith(".whl"))
        yield LockEntry(str(package.get("name")), wheels, has_sdist)


@functools.lru_cache(maxsize=100_000)
def _fits(wheel: str, python: str) -> bool:
    try:
        tags = parse_wheel_filename(wheel)[3]
    except InvalidWheelFilename:
        return False
    major, minor = (int(part) for part in python.split(".")[:2])
    for tag in tags:
        if tag.platform != "any" and "linux" not in tag.platform:
            continue
        found = re.fullmatch(r"(?:cp|py)(\d)(\d*)", tag.interpreter)
        if not found or int(found[1]) != major:
            continue
        version = int(found[2] or 0)
        is_exact = tag.interpreter.startswith("cp") and tag.abi not in ("abi3", "none")
        if version == minor or (version < minor and not is_exact):
            return True
    return False


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
