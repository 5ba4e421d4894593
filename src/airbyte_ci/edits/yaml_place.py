"""Chooses the place and layout of a new key in a YAML text. Another module proves the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from airbyte_ci.edits.yaml_events import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlPlace:
    """An offset in the text, with the numbers [`first`, `last`) of the events that are replaced."""

    at: int
    first: int
    last: int
    columns: tuple[int, int] | None = None
    """Column of the new key and indentation of what is nested in it; None within braces."""
    before: str = ""
    after: str = ""
    is_null: bool = False
    """The parent is an empty value, so that the new key makes it a mapping."""
    quoted: bool = False
    """The siblings are quoted, as in JSON."""


def find_place(text: str, nodes: Sequence[Node], key: str, behind: str | None = None) -> YamlPlace | None:
    """Returns where `key` goes in the last of the nested `nodes`, or None if no known way exists.

    The key goes directly after the key `behind`, if that exists.
    """
    parent = nodes[-1]
    if parent.kind == "mapping":
        index = _index(parent, key, behind)
        return _in_braces(parent, index) if parent.flow else _in_block(text, nodes, index)
    if parent.start == parent.end and len(nodes) > 1:
        return _below(text, nodes)
    return None


def render(text: str, place: YamlPlace, keys: Sequence[str], value: str) -> str:
    """Returns the text with nested `keys` and the value inserted at the place."""
    if place.columns is None:
        nested = f"{keys[-1]}: {value}"
        for key in reversed(keys[:-1]):
            nested = f"{key}: {{{nested}}}"
        return text[: place.at] + place.before + nested + place.after + text[place.at :]
    column, step = place.columns
    lines = [f"{' ' * (column + step * depth)}{key}:" for depth, key in enumerate(keys)]
    lines[-1] += f" {value}"
    head, tail = text[: place.at], text[place.at :]
    line_end = "\r\n" if head.endswith("\r\n") or (not head and "\r\n" in tail) else "\n"
    if head and not head.endswith("\n"):
        # A text without a final newline stays without one.
        line_end = "\r\n" if "\r\n" in head else "\n"
        return head + line_end + line_end.join(lines) + tail
    return head + "".join(line + line_end for line in lines) + tail


def _in_braces(parent: Node, index: int) -> YamlPlace:
    quoted = bool(parent.pairs) and all(name.event.style == '"' for name, _ in parent.pairs)
    if index < len(parent.pairs):
        name = parent.pairs[index][0]
        return YamlPlace(at=name.start, first=name.first, last=name.first, after=", ", quoted=quoted)
    at = max((child.end for pair in parent.pairs for child in pair), default=parent.start + 1)
    before = ", " if parent.pairs else ""
    return YamlPlace(at=at, first=parent.last, last=parent.last, before=before, quoted=quoted)


def _in_block(text: str, nodes: Sequence[Node], index: int) -> YamlPlace | None:
    parent = nodes[-1]
    column = _column(text, parent.start)
    if column is None or any(_column(text, name.start) != column for name, _ in parent.pairs):
        return None
    if index < len(parent.pairs):
        name = parent.pairs[index][0]
        floor = _line_after(text, parent.pairs[index - 1][1].end) if index else 0
        at, event = _with_comment_above(text, name.start, floor, column), name.first
    else:
        at, event = _with_comments_below(text, parent.pairs[-1][1], column), parent.last
    return YamlPlace(at=at, first=event, last=event, columns=(column, _step(text, nodes)))


def _below(text: str, nodes: Sequence[Node]) -> YamlPlace | None:
    """Returns the place below a key without a value, such as `connectorBuildOptions:`."""
    parent, null = nodes[-2:]
    column = _column(text, parent.start)
    if parent.flow or column is None:
        return None
    at = _with_comments_below(text, null, column + 1)
    step = _step(text, nodes[:-1])
    return YamlPlace(at=at, first=null.first, last=null.last + 1, columns=(column + step, step), is_null=True)


def _index(parent: Node, key: str, behind: str | None) -> int:
    """Returns the number of the pair before which the key goes.

    The first half of real metadata is sorted, and later additions follow. So the longest sorted run is used if it has
    more than half of the keys.
    """
    names = [name.event.value for name, _ in parent.pairs]
    if behind in names:
        return names.index(behind) + 1
    breaks = [0, *(i + 1 for i, (one, other) in enumerate(pairwise(names)) if one > other), len(names)]
    start, end = max(pairwise(breaks), key=lambda run: run[1] - run[0])
    if 2 * (end - start) <= len(names):
        return len(names)
    return next((i for i in range(start, end) if names[i] > key), len(names))


def _with_comment_above(text: str, at: int, floor: int, column: int) -> int:
    """Returns the start of the comment lines directly above the line at `at`, which belong to it."""
    line = start = text.rfind("\n", 0, at) + 1
    while start > floor:
        above = text.rfind("\n", 0, start - 1) + 1
        comment = text[above:start].lstrip(" ")
        if not comment.startswith("#") or len(text[above:start]) - len(comment) > column:
            return start
        start = above
    # Comments at the beginning of the text describe the text, not its first key.
    return start if floor else line


def _with_comments_below(text: str, last: Node, column: int) -> int:
    """Returns the offset after the last sibling and the comments below it with the same indentation."""
    at = _line_after(text, last.end)
    while (line := text[at : _line_end(text, at)]).lstrip(" ").startswith("#"):
        if len(line) - len(line.lstrip(" ")) < column:
            break
        at += len(line)
    return at


def _line_after(text: str, end: int) -> int:
    """Returns where the line after a value starts; a block scalar that keeps its blank lines ends there itself."""
    return end if text[end - 1 : end] == "\n" else _line_end(text, end)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _column(text: str, at: int) -> int | None:
    """Returns the column of a key, or None if the line has anything except spaces before it."""
    start = text.rfind("\n", 0, at) + 1
    return at - start if not text[start:at].strip(" ") else None


def _step(text: str, nodes: Sequence[Node]) -> int:
    """Returns the text's indentation: along the path to the place, else elsewhere in the root, else two."""
    nested = [*nodes[1:], *(value for _, value in nodes[0].pairs)]
    columns = (_column(text, node.start) for node in nested if node.kind == "mapping" and not node.flow)
    return next((column for column in columns if column), 2)
