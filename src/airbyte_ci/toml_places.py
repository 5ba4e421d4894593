"""Finds the keys and strings of a TOML text with their offsets and lines, which tomllib does not report.

Only for text that tomllib accepts: the scanner follows it, and does not prove that it is TOML.
"""

import re
import tomllib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

Keys = tuple[str, ...]

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(r"""\"{3}(?:[^\\]|\\.)*?\"{3,5}|'{3}.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""", re.DOTALL)
_OTHER = re.compile(r"[^\s,\[\]{}#\"']+(?: [0-9][0-9:.Z+-]*)?")


class UnknownPlace(ValueError):
    """The scanner cannot follow the text from this offset."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the TOML text cannot be followed at character {offset}")


@dataclass(frozen=True, slots=True)
class TomlPlace:
    """A key, a table's header or a string value: its path of keys, and its first offset and the one after its end."""

    keys: Keys
    start: int
    end: int
    is_string: bool


def scan(text: str) -> Iterator[TomlPlace]:
    """Yields every header, key and string value in the order of the text; raises UnknownPlace."""
    table: Keys = ()
    at = _match(_BLANK, text, 0)
    while at < len(text):
        if text[at] == "[":
            brackets = 2 if text.startswith("[[", at) else 1
            table, end = _keys(text, at + brackets)
            yield TomlPlace(table, at, end, is_string=False)
            at = end + brackets
        else:
            at = yield from _pair(text, at, table)
        at = _match(_BLANK, text, at)


def find_line(text: str, path: Sequence[str]) -> int | None:
    """Returns the number of the first line that sets this key or a part of it; None if no line does."""
    path = tuple(path)
    try:
        found = next((place for place in scan(text) if place.keys[: len(path)] == path), None)
    except UnknownPlace:
        return None
    return None if found is None else text.count("\n", 0, found.start) + 1


def _pair(text: str, at: int, table: Keys) -> Generator[TomlPlace, None, int]:
    keys, end = _keys(text, at)
    yield TomlPlace(table + keys, at, end, is_string=False)
    return (yield from _value(text, _match(_SPACE, text, end + 1), table + keys))


def _value(text: str, at: int, keys: Keys) -> Generator[TomlPlace, None, int]:
    if text[at] in "\"'":
        end = _match(_STRING, text, at)
        yield TomlPlace(keys, at, end, is_string=True)
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


def _keys(text: str, at: int) -> tuple[Keys, int]:
    """Returns a dotted key and the offset after it."""
    keys: list[str] = []
    while True:
        start = _match(_SPACE, text, at)
        end = _match(_KEY, text, start)
        raw = text[start:end]
        keys.append(tomllib.loads(f"key = {raw}")["key"] if raw[0] in "\"'" else raw)
        at = _match(_SPACE, text, end)
        if text[at : at + 1] != ".":
            return tuple(keys), at
        at += 1


def _match(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise UnknownPlace(at)
    return found.end()
