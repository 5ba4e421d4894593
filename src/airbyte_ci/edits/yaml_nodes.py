"""Edits of a YAML text that reach any node: strings inside lists, literals, whole blocks; the rest of the text stays.

Like `yaml_text`, it proves each result by parsing it again, and refuses a text for which the proof fails.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from airbyte_ci.edits.quoted import double_quoted
from airbyte_ci.edits.yaml_events import Event, Node, plain_is_string, read
from airbyte_ci.errors import EditRefused

_BY_HAND = "edit the file by hand"

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that is written as it is, without quotes, such as `false`."""

    text: str


def rewrite(text: str, choose: Callable[[Path, str], str | Literal | None]) -> str:
    """Returns the text with other scalars: `choose` gets each path and value, and returns the new value or None.

    Keys are not offered, and an aliased value is offered once, where it is defined. Raises EditRefused.
    """
    document = read(text)
    expected = list(document.events)
    edits: list[tuple[Node, str]] = []
    for path, node in _scalars(document.root):
        new = choose(path, node.event.value)
        if new is None or new == node.event.value:
            continue
        name = ".".join(map(str, path))
        if node.is_marked or node.event.style in ("|", ">"):
            raise EditRefused(f"{name} cannot be changed: it has an anchor or a tag, or is a block", advice=_BY_HAND)
        style = "" if isinstance(new, Literal) else _style(new, node.event.style)
        value = new.text if isinstance(new, Literal) else new
        expected[node.first] = Event("Scalar", value, style, None, None)
        edits.append((node, _spelling(value, style)))
    result = text
    for node, spelling in sorted(edits, key=lambda item: item[0].start, reverse=True):
        result = result[: node.start] + spelling + result[node.end :]
    _prove(result, expected)
    return result


def append_block(text: str, block: str) -> str:
    """Returns the text of a block mapping with the lines of another one, `block`, behind its last key."""
    document = read(text)
    ending = "\r\n" if "\r\n" in text else "\n"
    separator = "" if text.endswith("\n") else ending
    result = text + separator + block.replace("\r\n", "\n").replace("\n", ending)
    _prove(result, _with_pairs(document.events, document.root, read(block).events))
    return result


def insert_block(text: str, path: Sequence[str | int], block: str) -> str:
    """Returns the text with the lines of `block` as the last keys of the block mapping at that path.

    `block` is a mapping that starts in the first column; it gets the mapping's indentation.
    """
    document = read(text)
    parent = find(document.root, path)
    name = ".".join(map(str, path))
    if parent is None or parent.kind != "mapping" or parent.flow or not parent.pairs:
        raise EditRefused(f"{name} cannot take a key: it is not a mapping with a key a line", advice=_BY_HAND)
    first = parent.pairs[0][0]
    column = first.start - (text.rfind("\n", 0, first.start) + 1)
    ending = "\r\n" if "\r\n" in text else "\n"
    at = text.find("\n", max(parent.end - 1, 0)) + 1 or len(text)
    separator = "" if text[:at].endswith("\n") else ending
    inserted = indent(block, column).replace("\n", ending)
    result = text[:at] + separator + inserted + text[at:]
    _prove(result, _with_pairs(document.events, parent, read(block).events))
    return result


def remove_key(text: str, path: Sequence[str | int], key: str) -> str:
    """Returns the text without one key of the block mapping at that path, and without the lines of its value."""
    document = read(text)
    parent = find(document.root, path)
    pair = next((pair for pair in parent.pairs if pair[0].event.value == key), None) if parent else None
    name = ".".join([*map(str, path), key])
    if parent is None or pair is None or parent.flow or len(parent.pairs) == 1:
        raise EditRefused(f"{name} cannot be removed: it is not a key of a mapping with a key a line", advice=_BY_HAND)
    start, end = text.rfind("\n", 0, pair[0].start) + 1, text.find("\n", pair[1].end - 1) + 1 or len(text)
    if text[start : pair[0].start].strip(" "):
        raise EditRefused(f"{name} cannot be removed: it shares its line", advice=_BY_HAND)
    result = text[:start] + text[end:]
    _prove(result, [*document.events[: pair[0].first], *document.events[pair[1].last + 1 :]])
    return result


def set_items(text: str, path: Sequence[str | int], values: Sequence[str]) -> str:
    """Returns the text with other strings in the list at that path. Raises EditRefused for a list with comments."""
    document = read(text)
    node = find(document.root, path)
    name = ".".join(map(str, path))
    if node is None or node.kind != "sequence" or node.is_marked or not node.items:
        raise EditRefused(f"{name} cannot be changed: it is not a plain list", advice=_BY_HAND)
    body = text[node.start : node.end]
    if "#" in body or any(item.kind != "scalar" or item.is_marked for item in node.items):
        raise EditRefused(f"{name} cannot be changed: it has more than strings", advice=_BY_HAND)
    spelled = [_spelling(value, _style(value, "")) for value in values]
    if node.flow:
        body = f"[{', '.join(spelled)}]"
    else:
        line = text[text.rfind("\n", 0, node.start) + 1 : node.items[0].start]
        ending = "\r\n" if "\r\n" in text else "\n"
        body = f"{ending}{line}".join(spelled)
        body = text[node.start : node.items[0].start] + body
    result = text[: node.start] + body + text[node.end :]
    expected = [Event("Scalar", value, _style(value, ""), None, None) for value in values]
    _prove(result, [*document.events[: node.first + 1], *expected, *document.events[node.last :]])
    return result


def find(root: Node, path: Sequence[str | int]) -> Node | None:
    """Returns the node at a path of keys and numbers, or None. Raises EditRefused for a key that occurs twice."""
    node = root
    for part in path:
        if isinstance(part, int):
            if part >= len(node.items):
                return None
            node = node.items[part]
            continue
        values = [value for key, value in node.pairs if key.event.value == part]
        if len(values) > 1:
            raise EditRefused(f"the key {part} occurs {len(values)} times", advice=_BY_HAND)
        if not values:
            return None
        node = values[0]
    return node


def indent(block: str, width: int) -> str:
    """Returns the lines of a text moved to the right; empty lines stay empty."""
    return re.sub(r"^(?=[^\n])", " " * width, block, flags=re.MULTILINE)


def walk(root: Node) -> Iterator[tuple[Path, Node]]:
    """Yields every value with its path, outer ones first."""
    waiting: list[tuple[Path, Node]] = [((), root)]
    while waiting:
        path, node = waiting.pop()
        yield path, node
        inner = [((*path, key.event.value), value) for key, value in node.pairs]
        inner += [((*path, number), item) for number, item in enumerate(node.items)]
        waiting += reversed(inner)


def _scalars(root: Node) -> Iterator[tuple[Path, Node]]:
    return ((path, node) for path, node in walk(root) if node.kind == "scalar")


def _with_pairs(events: Sequence[Event], parent: Node, block: Sequence[Event]) -> list[Event]:
    """The events with those of the block's pairs as the last of the parent's."""
    # StreamStart, DocumentStart, MappingStart, the pairs, and the three ends.
    return [*events[: parent.last], *block[3:-3], *events[parent.last :]]


def _style(value: str, style: str) -> str:
    """The quotes that a value keeps, or double quotes where it needs some."""
    if style == "'" and value.isprintable():
        return "'"
    is_plain = re.fullmatch(r"[\w./-][\w./:@+-]*[\w/]|\w", value) is not None and plain_is_string(value)
    return "" if style == "" and is_plain else '"'


def _spelling(value: str, style: str) -> str:
    if style == '"':
        return double_quoted(value)
    return f"'{value.replace(chr(39), chr(39) * 2)}'" if style == "'" else value


def _prove(result: str, expected: Sequence[Event]) -> None:
    if tuple(expected) != read(result).events:
        raise EditRefused("the text would not read back as meant", advice=_BY_HAND)
