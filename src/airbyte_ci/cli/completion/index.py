"""The index of all commands and options: built from click's commands, and cached until the code changes."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_ci import __version__, disk

_FORMAT = 1
# Kinds of values that only the repository or its catalog knows.
CONNECTORS, VERSIONS, FILE, FOLDER, NONE = "connectors", "versions", "file", "dir", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedOption:
    """An option or argument. `values` are all of its values, or `kind` says where they come from."""

    names: tuple[str, ...]
    takes_value: bool
    is_hidden: bool
    is_repeatable: bool
    help: str
    values: tuple[str, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class IndexedCommand:
    """A command or group, by its options, its arguments, and the commands in it."""

    help: str
    options: tuple[IndexedOption, ...]
    arguments: tuple[IndexedOption, ...]
    commands: Mapping[str, "IndexedCommand"]


def load(path: Path, build: Callable[[], IndexedCommand]) -> IndexedCommand:
    """Returns the index of a file, or builds and writes it if it is missing or of other code."""
    state = _state()
    with suppress(OSError, ValueError, KeyError, TypeError):
        document = json.loads(path.read_bytes())
        if document["state"] == state:
            return _command(document["root"])
    return save(path, build())


def save(path: Path, root: IndexedCommand) -> IndexedCommand:
    """Writes the index; an unwritable folder is not an error."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.write_file(path, json.dumps({"state": _state(), "root": _document(root)}).encode())
    return root


def _state() -> list[object]:
    """Returns what changes with the commands: the version, and the times of their modules."""
    folder = Path(__file__).parents[1]
    files = [*folder.rglob("*.py"), *(folder.parent / "campaigns" / "migrations").glob("*.py")]
    return [_FORMAT, __version__, len(files), max(file.stat().st_mtime_ns for file in files)]


def _document(item: IndexedCommand) -> dict[str, Any]:
    return {
        "help": item.help,
        "options": [_parts(option) for option in item.options],
        "arguments": [_parts(option) for option in item.arguments],
        "commands": {name: _document(command) for name, command in item.commands.items()},
    }


def _parts(item: IndexedOption) -> list[object]:
    flags = [item.takes_value, item.is_hidden, item.is_repeatable]
    return [list(item.names), *flags, item.help, list(item.values), item.kind]


def _command(document: Mapping[str, Any]) -> IndexedCommand:
    return IndexedCommand(
        str(document["help"]),
        tuple(_options(document["options"])),
        tuple(_options(document["arguments"])),
        {name: _command(item) for name, item in document["commands"].items()},
    )


def _options(documents: list[Any]) -> Iterator[IndexedOption]:
    for names, takes_value, is_hidden, is_repeatable, help_, values, kind in documents:
        yield IndexedOption(
            names=tuple(names),
            takes_value=takes_value,
            is_hidden=is_hidden,
            is_repeatable=is_repeatable,
            help=help_,
            values=tuple(values),
            kind=kind,
        )
