"""A YAML text as events and as nodes with their positions. Read-only."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import yaml
from yaml.resolver import Resolver

from airbyte_ci.errors import EditRefused


class Event(NamedTuple):
    """Returns an event without its position: texts with equal events differ only in layout and comments."""

    kind: str
    value: str
    style: str
    anchor: str | None
    tag: str | None

    def is_string(self, value: str) -> bool:
        """Returns whether this is a scalar that every loader reads as exactly this string."""
        if (self.kind, self.value, self.tag) != ("Scalar", value, None):
            return False
        return bool(self.style) or plain_is_string(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value: `start` and `end` are offsets in the text, `first` and `last` the numbers of its events."""

    kind: Literal["scalar", "mapping", "sequence", "alias"]
    event: Event
    flow: bool
    start: int
    end: int
    first: int
    last: int
    pairs: tuple[tuple["Node", "Node"], ...] = ()
    items: tuple["Node", ...] = ()

    @property
    def is_marked(self) -> bool:
        """Returns whether it is an alias, or has an anchor or a tag, so that a change would affect more than this
        place.
        """
        return self.event.anchor is not None or self.event.tag is not None


class Document:
    """One YAML document: all events of the text in order, and the root node, which is made when it is asked for."""

    def __init__(self, text: str, raw: list[yaml.Event]) -> None:
        self._text, self._raw = text, raw
        self.events = tuple(_event(event) for event in raw)

    @functools.cached_property
    def root(self) -> Node:
        return _root(self._text, self._raw, self.events)


@functools.lru_cache(maxsize=4)  # an edit parses its text to find the place, and its result to prove it and to continue
def read(text: str) -> Document:
    """Parses the only document of the text. Raises EditRefused if it is not YAML, or not exactly one document."""
    try:
        # The C loader's marks count characters, like Python's; looked up here, because it may be missing.
        raw = list(yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)))
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise EditRefused(f"this is not YAML: {' '.join(str(error).split())}") from error
    documents = sum(isinstance(event, yaml.DocumentStartEvent) for event in raw)
    if documents != 1:
        raise EditRefused(f"the text holds {documents or 'no'} YAML documents; only one can be edited")
    return Document(text, raw)


def plain_is_string(value: str) -> bool:
    """Returns whether every loader reads this unquoted text as a string, not a number, boolean, null or date."""
    tag: str = Resolver().resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    return tag == "tag:yaml.org,2002:str" and not _is_yaml_1_2_number(value)


def _is_yaml_1_2_number(value: str) -> bool:
    # PyYAML resolves by YAML 1.1, where 1e3 and 0o17 are strings; for loaders of 1.2 they are numbers.
    try:
        float(value.replace("_", "x"))
    except ValueError:
        return value.lower().lstrip("+-").startswith("0o")
    return True


def _event(event: yaml.Event) -> Event:
    if type(event) is yaml.ScalarEvent:  # most of them
        return Event("Scalar", event.value, event.style or "", event.anchor, event.tag)
    kind = type(event).__name__.removesuffix("Event")
    value, style = getattr(event, "value", None) or "", getattr(event, "style", None) or ""
    if getattr(event, "flow_style", False):
        style = "{"
    return Event(kind, value, style, getattr(event, "anchor", None), getattr(event, "tag", None))


class _Open:
    """A collection that has not ended yet."""

    def __init__(self, number: int, start: int) -> None:
        self.number = number
        self.start = start
        self.children: list[Node] = []


def _root(text: str, raw: list[yaml.Event], events: tuple[Event, ...]) -> Node:
    # With a stack instead of recursion, because the text may be arbitrarily deep.
    stack = [_Open(-1, 0)]
    for number, event in enumerate(raw):
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            stack.append(_Open(number, _index(event.start_mark)))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            opened = stack.pop()
            stack[-1].children.append(_collection(opened, events[opened.number], number, event))
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            stack[-1].children.append(_leaf(text, number, event, events[number]))
    return stack[0].children[0]


def _collection(opened: _Open, first: Event, number: int, event: yaml.Event) -> Node:
    mapping = first.kind == "MappingStart"
    flow = first.style == "{"
    children = iter(opened.children)
    return Node(
        kind="mapping" if mapping else "sequence",
        event=first,
        flow=flow,
        start=opened.start,
        # A block collection's end mark is where the next token starts, after blank lines and comments.
        end=_index(event.end_mark) if flow else max(child.end for child in opened.children),
        first=opened.number,
        last=number,
        pairs=tuple(_pairs(children)) if mapping else (),
        items=() if mapping else tuple(opened.children),
    )


def _pairs(children: Iterator[Node]) -> Iterator[tuple[Node, Node]]:
    return zip(children, children, strict=True)


def _leaf(text: str, number: int, event: yaml.Event, what: Event) -> Node:
    start, end = _index(event.start_mark), _index(event.end_mark)
    if what.style in ("|", ">") and "+" not in text[start:end].partition("\n")[0].partition("#")[0]:
        # The end mark is after the following blank lines; only with `+` do they belong to the value.
        end = start + len(text[start:end].rstrip())
    kind: Literal["scalar", "alias"] = "scalar" if what.kind == "Scalar" else "alias"
    return Node(kind=kind, event=what, flow=False, start=start, end=end, first=number, last=number)


def _index(mark: object) -> int:
    index = getattr(mark, "index", None)
    assert isinstance(index, int), "the parser gives every event its place"
    return index
