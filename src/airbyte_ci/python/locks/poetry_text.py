"""Parses poetry.lock quickly: nine tenths of its text are lists of files, and only those of selected packages are read.

The result equals that of `tomllib`, which parses every list that is not exactly as poetry writes it.
"""

import re
from collections.abc import Iterator
from typing import Any

from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.python.locks import toml

# Without a quote, backslash or control character, a basic string of TOML is the text between its quotes.
_TEXT = r'[^"\\\x00-\x1f\x7f]+'
_FILE = re.compile(rf'    \{{file = "({_TEXT})", hash = "({_TEXT})"\}},\n')
_LIST = re.compile(rf"^files = \[\n((?:{_FILE.pattern.replace('(', '(?:')})+)\]$", re.MULTILINE)
# Replaces a list of files while the rest is parsed; a text that contains it in any spelling is parsed normally.
_TOKEN = "\ue000"
_TOKENS = re.compile(r"\ue000|\\u[eE]000|\\U0000[eE]000")


class FileList:
    """The files of one package, parsed when they are iterated."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[dict[str, str]]:
        return ({"file": name, "hash": value} for name, value in _FILE.findall(self._text))


def parse(text: str, what: str) -> dict[str, Any]:
    """Returns the document, in which lists of files may be a FileList. Raises LockError with the position."""
    if _TOKENS.search(text):
        return toml.parse(text, what)
    lists: list[str] = []

    def put_aside(found: re.Match[str]) -> str:
        lists.append(found[1])
        return f'files = "{_TOKEN}{len(lists) - 1}"'

    short = _LIST.sub(put_aside, text)
    try:
        document = load_toml(short)
    except DocumentError:
        return toml.parse(text, what)  # reports the position in the original file
    toml.refuse_conflict(text, what)
    for table in _tables(document):
        files = table.get("files") if isinstance(table, dict) else None
        if isinstance(files, str) and files.startswith(_TOKEN):
            table["files"] = FileList(lists[int(files[1:])])
    return document


def _tables(document: dict[str, Any]) -> Iterator[Any]:
    """Yields the places of a key `files`: in packages, and in format 1's table of files, which is keyed by package
    name.
    """
    packages, metadata = document.get("package"), document.get("metadata")
    yield from packages if isinstance(packages, list) else ()
    yield metadata.get("files") if isinstance(metadata, dict) else None
