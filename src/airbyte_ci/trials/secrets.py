"""What a test must know and nobody may see: the connector's configuration, its `secrets/` folder, named variables.

Knows where they come from and how to take them out of any text; not what they are used for.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError

FOLDER = "secrets"
CONFIGURATION = "config.json"
HIDDEN = "***"
# Shorter texts are found everywhere by chance, and tell nothing.
_SHORTEST = 4
# Numbers of so many digits are account ids and the like; shorter ones are page sizes and ports.
_SHORTEST_NUMBER = 6
_LARGEST = 4 << 20


@dataclass(frozen=True, slots=True)
class Secrets:
    """A connector's secrets. `configuration` is JSON or None; `missing` says where one was looked for.

    `problem` is why it cannot be used. `files` are those of its `secrets/` folder by their posix path in it;
    `variables` are for the integration tests.
    """

    configuration: bytes | None = field(repr=False)
    missing: str = ""
    problem: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", _pattern(self._spellings()))

    def redact(self, text: str) -> str:
        """The text without any secret value, however it is written: as it is, in JSON, a URL, base64."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def _spellings(self) -> Iterator[str]:
        for raw in (*([self.configuration] if self.configuration else []), *self.files.values()):
            text = raw.decode(errors="replace")
            try:
                values = list(_values(json.loads(text)))
            except (ValueError, RecursionError):
                values = [text]
            for value in values:
                yield from _spelled(value)
        for value in self.variables.values():
            yield from _spelled(value)
            try:
                inner = list(_values(json.loads(value)))
            except (ValueError, RecursionError):
                continue
            for item in inner:
                yield from _spelled(item)


def load(
    connector: Connector,
    given: bytes | None,
    table: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
) -> Secrets:
    """What there is. The configuration is the `given` text, else `secrets/config.json`, else a variable with an object.

    `table` names variables by patterns of connectors' names. Raises UsageError for a file that cannot be read.
    """
    files = _folder(connector.folder / FOLDER)
    names = sorted({name for pattern, names in table.items() if fnmatchcase(connector.name, pattern) for name in names})
    variables = {name: environment[name] for name in names if environment.get(name)}
    configuration: bytes | None = field(repr=False)
    problem = ""
    if given:
        configuration = given
    elif CONFIGURATION in files:
        configuration = files[CONFIGURATION]
        if not _is_object(configuration):
            problem = f"{connector.relative}/{FOLDER}/{CONFIGURATION} is not a JSON object, so it is no configuration"
    else:
        configuration = next((value.encode() for value in variables.values() if _is_object(value)), None)
    looked = [f"{FOLDER}/{CONFIGURATION}", *(f"${name}" for name in names)]
    missing = "" if configuration else f"no configuration: neither --config nor {' nor '.join(looked)}"
    return Secrets(configuration, missing, problem, files, variables)


def _folder(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size <= _LARGEST)
    return {path.relative_to(folder).as_posix(): _read(path) for path in found}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"reading {path}: {error.strerror}") from error


def configuration_in(path: Path) -> bytes:
    """A configuration that was named; raises UsageError, without a word of its content."""
    text = _read(path)
    if not _is_object(text):
        raise UsageError(f"reading {path}: it is not a JSON object, so it is no connector's configuration")
    return text


def _is_object(text: str | bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _values(document: Any) -> Iterator[str]:
    """Every text in it, and every number that is long enough to be somebody's."""
    if isinstance(document, dict | list):
        for item in document.values() if isinstance(document, dict) else document:
            yield from _values(item)
    elif isinstance(document, str):
        yield document
    elif isinstance(document, int) and not isinstance(document, bool) and abs(document) >= 10 ** (_SHORTEST_NUMBER - 1):
        yield str(document)


def _spelled(value: str) -> Iterator[str]:
    """The ways in which programs print a value. Of one with several lines (a key), each line too."""
    for part in dict.fromkeys((value, value.strip(), *(line.strip() for line in value.splitlines()))):
        if len(part) < _SHORTEST:
            continue
        yield part
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
        yield repr(part)[1:-1]
        yield quote(part, safe="")
        yield quote_plus(part)
        yield base64.b64encode(part.encode()).decode().rstrip("=")
        yield base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")


def _pattern(spellings: Iterator[str]) -> re.Pattern[str] | None:
    """The longest first: one secret may begin like another."""
    ordered = sorted(set(spellings), key=lambda text: (-len(text), text))
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None
