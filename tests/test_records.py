"""Quick dataclasses: the same as Python's own."""

import copy
import dataclasses
import functools
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from airbyte_ci import records

# As a type checker sees it, this is Python's own, so both are called through this type.
Decorator = Callable[..., Callable[[type], Any]]
PYTHONS: Decorator = dataclasses.dataclass
QUICK: Decorator = records.dataclass


def _plain() -> type:
    class Record:
        """Fields with and without defaults."""

        name: str
        size: int = 0
        tags: list[str] = dataclasses.field(default_factory=list, compare=False)
        secret: str = dataclasses.field(default="", repr=False)

        @property
        def doubled(self) -> int:
            return self.size * 2

    return Record


def _checked() -> type:
    class Record:
        """Looks at its fields, and has methods of its own."""

        name: str
        size: int = 0

        def __post_init__(self) -> None:
            object.__setattr__(self, "name", self.name.upper())
            if self.size < 0:
                raise ValueError("negative")

        def __repr__(self) -> str:
            return f"<{self.name}>"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self)) and self.name == other.name

    return Record


CALLS: list[tuple[tuple[object, ...], dict[str, object]]] = [
    ((), {}),
    (("a",), {}),
    (("a", 2), {}),
    (("a",), {"size": 2}),
    (("a",), {"name": "b"}),
    (("a", -1), {}),
    (("a", 1, [], "s", 5), {}),
    (("a",), {"colour": 1}),
    ((), {"name": "a", "size": 3}),
]


def _result(action: Callable[[], object]) -> object:
    try:
        return action()
    except (TypeError, ValueError, AttributeError) as error:
        return type(error)


def _facts(record: Any) -> list[object]:  # of both decorators
    """Everything that can be asked of an instance."""
    if isinstance(record, type):
        return [record]
    cls = type(record)
    return [
        repr(record),
        dataclasses.asdict(record),
        _result(lambda: hash(record)),
        record == copy.deepcopy(record),
        record == dataclasses.replace(record, size=7),
        repr(dataclasses.replace(record, size=7)),
        record == 1,
        [_result(functools.partial(operator.lt, record, other)) for other in (cls(name="b"), cls(name="B", size=9), 1)],
        _result(lambda: setattr(record, "size", 1)),
        isinstance(_result(lambda: setattr(record, "other", 1)), type),  # Python's own raises a wrong error
        _result(lambda: delattr(record, "size")),
        hasattr(record, "__dict__"),
        [field.name for field in dataclasses.fields(record)],
        cls.__match_args__,
    ]


@pytest.mark.parametrize("make", [_plain, _checked])
@pytest.mark.parametrize("options", [{}, {"slots": True}, {"kw_only": True, "slots": True}, {"order": True}])
def test_a_quick_dataclass_is_as_pythons(make: Callable[[], type], options: dict[str, bool]) -> None:
    """Every call, comparison, copy and refusal has the same result."""
    usual, quick = (decorator(frozen=True, **options)(make()) for decorator in (PYTHONS, QUICK))
    for values, named in CALLS:
        results = [_result(functools.partial(cls, *values, **named)) for cls in (usual, quick)]
        expected, found = map(_facts, results)
        assert found == expected, (values, named)


@records.dataclass(frozen=True, slots=True)
class Sent:
    """A class that another process can import."""

    name: str
    size: int = 0


def test_a_quick_dataclass_can_be_sent() -> None:
    """Jobs of a cluster have such values."""
    assert pickle.loads(pickle.dumps(Sent("a", 2))) == Sent("a", 2)


def test_what_is_not_frozen_is_refused() -> None:
    """Whoever wants another kind of dataclass takes Python's own."""
    with pytest.raises(TypeError, match="frozen"):
        QUICK(frozen=False)


@pytest.mark.parametrize("lower", [PYTHONS, QUICK])
@pytest.mark.parametrize("upper", [PYTHONS, QUICK])
def test_a_quick_dataclass_inherits_and_is_inherited_from(lower: Decorator, upper: Decorator) -> None:
    """Both kinds are frozen, so either may extend the other."""
    base = lower(frozen=True, slots=True)(_plain())

    class More(base):  # type: ignore[misc, valid-type]  # made above
        """One more field."""

        more: int = 3

    made = upper(frozen=True, slots=True)(More)("a", more=4)
    assert (made.name, made.size, made.more) == ("a", 0, 4)
    assert made != base("a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.more = 5
