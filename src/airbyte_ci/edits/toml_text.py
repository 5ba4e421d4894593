"""Sets one string in a TOML text and keeps every other byte. Does not know what the text describes.

A small scanner finds the place; tomllib proves that only that string changed.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.edits.quoted import double_quoted
from airbyte_ci.errors import EditRefused

_Keys = tuple[str, ...]

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(r"""\"{3}(?:[^\\]|\\.)*?\"{3,5}|'{3}.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""", re.DOTALL)
_OTHER = re.compile(r"[^\s,\[\]{}#\"']+(?: [0-9][0-9:.Z+-]*)?")
_LONG_QUOTES = ('"""', "'''")


def get_string(text: str, path: Sequence[str]) -> str | None:
    """Returns the string at that path of keys; None if it is missing or not a string.

    Raises EditRefused if the text is not TOML.
    """
    value: Any = _loaded(text)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def set_string(text: str, path: Sequence[str], value: str) -> str:
    """Returns the text with the one-line string at that path replaced, in its current quotes if they can hold the
    value.

    Raises EditRefused if there is no such string, if it spans lines, or if the result cannot be proven.
    """
    name = ".".join(path)
    old = get_string(text, path)
    if old is None:
        raise EditRefused(f"{name} cannot be written: there is no such string", advice="edit the file by hand")
    if old == value:
        return text
    for found, start, end in _strings(text):
        if found == tuple(path) and text[start : start + 3] not in _LONG_QUOTES:
            for spelling in _spellings(value, text[start]):
                result = text[:start] + spelling + text[end:]
                if _is_proven(text, result, path, value):
                    return result
    raise EditRefused(
        f"{name} cannot be written: it is not a string on one line, or cannot be written without changing its value",
        advice="edit the file by hand",
    )


def _strings(text: str) -> Iterator[tuple[_Keys, int, int]]:
    """Yields every string value with its keys and its place; only for valid TOML."""
    table: _Keys = ()
    at = _match(_BLANK, text, 0)
    while at < len(text):
        if text[at] == "[":
            brackets = 2 if text.startswith("[[", at) else 1
            table, at = _keys(text, at + brackets)
            at += brackets
        else:
            at = yield from _pair(text, at, table)
        at = _match(_BLANK, text, at)


def _pair(text: str, at: int, table: _Keys) -> Generator[tuple[_Keys, int, int], None, int]:
    keys, at = _keys(text, at)
    return (yield from _value(text, _match(_SPACE, text, at + 1), table + keys))


def _value(text: str, at: int, keys: _Keys) -> Generator[tuple[_Keys, int, int], None, int]:
    if text[at] in "\"'":
        end = _match(_STRING, text, at)
        yield keys, at, end
        return end
    if text[at] not in "[{":
        return _match(_OTHER, text, at)
    item, close = (_value, "]") if text[at] == "[" else (_pair, "}")
    at = _match(_BLANK, text, at + 1)
    while text[at] != close:
        at = yield from item(text, at, keys)
        at = _match(_BLANK, text, at)
        if text[at] == ",":
            at = _match(_BLANK, text, at + 1)
    return at + 1


def _keys(text: str, at: int) -> tuple[_Keys, int]:
    """Returns a dotted key and the offset after it."""
    keys: list[str] = []
    while True:
        start = _match(_SPACE, text, at)
        end = _match(_KEY, text, start)
        raw = text[start:end]
        keys.append(load_toml(f"key = {raw}")["key"] if raw[0] in "\"'" else raw)
        at = _match(_SPACE, text, end)
        if text[at : at + 1] != ".":
            return tuple(keys), at
        at += 1


def _match(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise EditRefused(f"the TOML text cannot be followed at character {at}", advice="edit the file by hand")
    return found.end()


def _spellings(value: str, quote: str) -> Iterator[str]:
    """Yields the possible spellings of the value, the preferred quotes first; a later proof selects one."""
    if quote == "'":
        yield f"'{value}'"
    yield double_quoted(value)


def _is_proven(old: str, new: str, path: Sequence[str], value: str) -> bool:
    try:
        expected, result = _loaded(old), _loaded(new)
    except EditRefused:
        return False
    table = expected
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    return expected == result


def _loaded(text: str) -> dict[str, Any]:
    try:
        # Floats stay text, marked as non-strings: nan would not equal itself.
        return load_toml(text, parse_float=lambda number: ("float", number))
    except DocumentError as error:
        raise EditRefused(f"this is not TOML: {error}") from error
