"""Sets one string in a YAML text and keeps every other byte. Does not know what the text describes.

Every change is proven first: the new text is parsed, and its events must equal the old ones except for the one string.
Changes that cannot be proven are refused.
"""

import re
from collections.abc import Iterator, Sequence

from airbyte_ci.edits.quoted import double_quoted
from airbyte_ci.edits.yaml_events import Document, Event, Node, plain_is_string, read
from airbyte_ci.edits.yaml_place import find_place, render
from airbyte_ci.errors import EditRefused

_BOM = "\ufeff"
_MAPPING = Event("MappingStart", "", "", None, None)
_MAPPING_END = Event("MappingEnd", "", "", None, None)


def set_scalar(text: str, path: Sequence[str], value: str) -> str:
    """Returns the text with the scalar at that path of keys replaced, in its current quotes if they can hold the value.

    Raises EditRefused if there is no such scalar, if it is shared (anchor, alias, merge key), tagged or a block scalar,
    or if the result cannot be proven.
    """
    if text.startswith(_BOM):
        return _BOM + set_scalar(text.removeprefix(_BOM), path, value)
    document = read(text)
    nodes = _walk(document.root, path)
    if len(nodes) <= len(path):
        raise _refused(path, f"there is no {'.'.join(path[: len(nodes)])}")
    target = nodes[-1]
    if target.event.is_string(value):
        return text
    if target.kind != "scalar":
        raise _refused(path, f"it is a {target.kind}")
    if target.event.style in ("|", ">"):
        raise _refused(path, "it is a block scalar")
    gap = " " if target.start == target.end else ""
    for spelling in _spellings(value, target.event.style):
        result = text[: target.start] + gap + spelling + text[target.end :]
        if _is_proven(result, document, target.first, target.first + 1, [_scalar(value)]):
            return result
    raise _refused(path, "the text would not read back as meant")


def insert_scalar(text: str, path: Sequence[str], value: str, *, behind: str | None = None) -> str:
    """Returns the text with a new key, and with the missing mappings that lead to it.

    A key goes directly after its sibling `behind`, else to its sorted place if most of its siblings are sorted, else
    after the last one; a comment directly above a key belongs to that key. Raises EditRefused if the path exists with
    another value, a mapping on it is shared or tagged, or the result cannot be proven.
    """
    if text.startswith(_BOM):
        return _BOM + insert_scalar(text.removeprefix(_BOM), path, value, behind=behind)
    document = read(text)
    nodes = _walk(document.root, path)
    if len(nodes) > len(path):
        if nodes[-1].event.is_string(value):
            return text
        raise _refused(path, "it exists with another value")
    present, missing = path[: len(nodes) - 1], path[len(nodes) - 1 :]
    place = find_place(text, nodes, missing[0], behind)
    if place is None:
        raise _refused(path, f"{'.'.join(present) or 'the document'} is not a mapping that can take a key")
    keys = [key if _is_plain_key(key) and not place.quoted else double_quoted(key) for key in missing]
    expected = [_scalar(missing[-1]), _scalar(value)]
    for key in reversed(missing[:-1]):
        expected = [_scalar(key), _MAPPING, *expected, _MAPPING_END]
    if place.is_null:
        expected = [_MAPPING, *expected, _MAPPING_END]
    for spelling in _spellings(value, '"' if place.quoted else ""):
        result = render(text, place, keys, spelling)
        if _is_proven(result, document, place.first, place.last, expected):
            return result
    raise _refused(path, "the text would not read back as meant")


def upsert_scalar(text: str, path: Sequence[str], value: str) -> str:
    """Returns the text with that string at that path, set or inserted; raises EditRefused like both functions."""
    exists = len(_walk(read(text.removeprefix(_BOM)).root, path)) > len(path)
    return set_scalar(text, path, value) if exists else insert_scalar(text, path, value)


def _walk(root: Node, path: Sequence[str]) -> list[Node]:
    """Returns the existing nodes along the path, the root first; refuses nodes that another place shares."""
    nodes = [root]
    for key in path:
        node = nodes[-1]
        names = [name.event.value for name, _ in node.pairs]
        if "<<" in names:
            raise _refused(path, "a merge key (<<) may supply it")
        if names.count(key) > 1:
            raise _refused(path, f"the key {key} occurs {names.count(key)} times")
        if key not in names:
            break
        name, value = node.pairs[names.index(key)]
        nodes.append(value)
        if name.kind != "scalar" or name.is_marked:
            raise _refused(path, f"the key {key} has an anchor or a tag, or is an alias")
    for node in nodes:
        if node.is_marked:
            raise _refused(path, "an anchor, alias or tag is on the way to it")
    return nodes


def _is_proven(result: str, document: Document, first: int, last: int, expected: Sequence[Event]) -> bool:
    """Returns whether the result is the document except for its events [first, last), now the expected ones."""
    try:
        events = read(result).events
    except EditRefused:
        return False
    end = first + len(expected)
    return (
        events[:first] == document.events[:first]
        and events[end:] == document.events[last:]
        and len(events[first:end]) == len(expected)
        and all(_is_meant(event, meant) for event, meant in zip(events[first:end], expected, strict=True))
    )


def _is_plain_key(key: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][\w./-]*", key) is not None and plain_is_string(key)


def _is_meant(event: Event, meant: Event) -> bool:
    return event.is_string(meant.value) if meant.kind == "Scalar" else event._replace(style="") == meant


def _scalar(value: str) -> Event:
    return Event("Scalar", value, "", None, None)


def _spellings(value: str, style: str) -> Iterator[str]:
    """Yields the possible spellings of the value: the preferred style first, the one that can hold anything last."""
    # Parsers disagree about tabs, about rare line ends and, within braces, about question marks.
    if style == "" and value.isprintable() and "?" not in value:
        yield value
    elif style == "'" and value.isprintable():
        yield "'" + value.replace("'", "''") + "'"
    yield double_quoted(value)


def _refused(path: Sequence[str], reason: str) -> EditRefused:
    return EditRefused(f"{'.'.join(path)} cannot be written: {reason}", advice="edit the file by hand")
