"""The secrets of a test: the connector's configuration, its `secrets/` folder, named variables.

Knows their sources and how to remove them from any text; not their use.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path

from airbyte_ci.connector_tests.redaction import Redaction
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.documents import load_json
from airbyte_ci.errors import UsageError

FOLDER = "secrets"
CONFIGURATION = "config.json"
# Numbers of this many digits are account ids and the like; shorter ones are page sizes and ports.
_SHORTEST_NUMBER = 6
# The integer part of 1e300 is not a secret.
_LONGEST_NUMBER = 30
_LARGEST = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """A connector's secrets. `configuration` is JSON or None; `missing` describes where it was searched.

    `problem` is why it cannot be used. `files` are those of its `secrets/` folder by posix path in it; `variables` are
    for the integration tests. `left_out` lists files that are too large to be redacted, so no test sees them.
    """

    configuration: bytes | None = field(repr=False)
    missing: str = ""
    problem: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    left_out: tuple[str, ...] = ()
    _redaction: Redaction = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_redaction", Redaction(self._texts()))

    def redact(self, text: str) -> str:
        """Returns the text without any secret value in any form: as it is, in JSON, a URL, base64, or partly."""
        return self._redaction.redact(text)

    def _texts(self) -> Iterator[str]:
        for raw in (*([self.configuration] if self.configuration else []), *self.files.values()):
            text = raw.decode(errors="replace")
            yield from _in_json(text) or [text]
        for value in self.variables.values():
            yield value
            yield from _in_json(value)


def load(
    connector: Connector,
    given: bytes | None,
    table: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
) -> Secrets:
    """Reads the secrets. The configuration is the `given` text, else `secrets/config.json`, else a variable with an
    object.

    `table` maps patterns of connectors' names to variables. Raises UsageError for a file that cannot be read.
    """
    files, left_out = _folder(connector.folder / FOLDER)
    names = sorted({name for pattern, names in table.items() if fnmatchcase(connector.name, pattern) for name in names})
    variables = {name: environment[name] for name in names if environment.get(name)}
    configuration: bytes | None = None
    problem = ""
    if given:
        configuration = given
    elif CONFIGURATION in files:
        configuration = files[CONFIGURATION]
        if not _is_object(configuration):
            problem = (
                f"{connector.relative}/{FOLDER}/{CONFIGURATION} is not a JSON object, so it is not a configuration"
            )
    else:
        configuration = next((value.encode() for value in variables.values() if _is_object(value)), None)
    looked = [f"{FOLDER}/{CONFIGURATION}", *(f"${name}" for name in names)]
    missing = "" if configuration else f"no configuration: neither --config nor {' nor '.join(looked)}"
    if missing and CONFIGURATION in left_out:
        missing += f" ({too_large([CONFIGURATION])})"
    return Secrets(
        configuration=configuration,
        missing=missing,
        problem=problem,
        files=files,
        variables=variables,
        left_out=left_out,
    )


def too_large(names: Iterable[str]) -> str:
    """Returns the note about files of the folder that are left out."""
    return f"larger than {_LARGEST >> 20} MiB, so left out: {', '.join(f'{FOLDER}/{name}' for name in names)}"


def _folder(folder: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Returns the files, and the names of those that are too large."""
    if not folder.is_dir():
        return {}, ()
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    large = tuple(name for name, path in found.items() if path.stat().st_size > _LARGEST)
    return {name: _read(path) for name, path in found.items() if name not in large}, large


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"reading {path}: {error.strerror}") from error


def configuration_in(path: Path) -> bytes:
    """Returns a configuration that the user named; raises UsageError that does not quote its content."""
    text = _read(path)
    if not _is_object(text):
        raise UsageError(f"cannot use {path} as a configuration: it is not a JSON object")
    return text


def _is_object(text: str | bytes) -> bool:
    try:
        return isinstance(load_json(text), dict)
    except ValueError:
        return False


def _in_json(text: str) -> list[str]:
    """Returns the values in a JSON text; empty for another text."""
    try:
        return list(_values(load_json(text, Decimal)))
    except ValueError:
        return []


def _values(document: object) -> Iterator[str]:
    """Yields every text, and every number that is long enough to identify something."""
    if isinstance(document, dict | list):
        for item in document.values() if isinstance(document, dict) else document:
            yield from _values(item)
    elif isinstance(document, str):
        yield document
    elif isinstance(document, int | Decimal) and not isinstance(document, bool):
        yield from _number(document)


def _number(number: int | Decimal) -> Iterator[str]:
    """Returns a number as written, as Python prints it, and without its fraction; empty for a short one."""
    if isinstance(number, Decimal):
        if len(number.as_tuple().digits) >= _SHORTEST_NUMBER:
            yield str(abs(number))
            yield repr(abs(float(number)))
        if abs(number.adjusted()) < _LONGEST_NUMBER:
            yield from _number(int(number))
    elif abs(number) >= 10 ** (_SHORTEST_NUMBER - 1):
        yield str(abs(number))
        yield f"{abs(number):,}"
        yield f"{abs(number):#x}"
