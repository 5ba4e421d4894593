"""Sets one string in a TOML text and keeps every other byte. Does not know what the text describes.

`toml_places` finds the place; tomllib proves that only that string changed.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airbyte_ci import toml_places
from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.edits.quoted import double_quoted
from airbyte_ci.errors import EditRefused

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
    for start, end in _strings(text, tuple(path)):
        if text[start : start + 3] not in _LONG_QUOTES:
            for spelling in _spellings(value, text[start]):
                result = text[:start] + spelling + text[end:]
                if _is_proven(text, result, path, value):
                    return result
    raise EditRefused(
        f"{name} cannot be written: it is not a string on one line, or cannot be written without changing its value",
        advice="edit the file by hand",
    )


def _strings(text: str, path: toml_places.Keys) -> Iterator[tuple[int, int]]:
    """Yields the first offset of each string at that path, and the offset after it."""
    try:
        for place in toml_places.scan(text):
            if place.is_string and place.keys == path:
                yield place.start, place.end
    except toml_places.UnknownPlace as error:
        raise EditRefused(str(error), advice="edit the file by hand") from error


def _spellings(value: str, quote: str) -> Iterator[str]:
    """Yields the possible spellings of the value, the preferred quotes first; a later proof selects one."""
    if quote == "'":
        yield f"'{value}'"
    yield double_quoted(value)


def _is_proven(old: str, new: str, path: Sequence[str], value: str) -> bool:
    try:
        return _loaded(new) == _replaced(_loaded(old), path, value)
    except EditRefused:
        return False


def _replaced(table: Mapping[str, Any], path: Sequence[str], value: str) -> dict[str, Any]:
    key, *rest = path
    return {**table, key: _replaced(table[key], rest, value) if rest else value}


@functools.lru_cache(maxsize=4)  # an edit reads several keys of its text, and proves its result
def _loaded(text: str) -> Mapping[str, Any]:
    try:
        # Floats stay text, marked as non-strings: nan would not equal itself.
        return load_toml(text, parse_float=lambda number: ("float", number))
    except DocumentError as error:
        raise EditRefused(f"this is not TOML: {error}") from error
