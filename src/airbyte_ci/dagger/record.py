"""Frozen values without the dataclasses module, whose import and code generation would be most of a hook's start."""

from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """A class of immutable values: its annotations are its fields; `_hidden` fields are neither compared nor shown."""
    names = tuple(cls.__annotations__)
    members: dict[str, Any] = {
        "__match_args__": names,
        "__init__": _initialise,
        "__eq__": _equal,
        "__hash__": _hash,
        "__repr__": _shown,
        "__setattr__": _refuse,
        "__delattr__": _refuse,
    }
    for name, member in members.items():
        setattr(cls, name, member)
    return cls


def names_of(value: object) -> tuple[str, ...]:
    """Returns the names of a value's fields, in order."""
    names: tuple[str, ...] = type(value).__match_args__  # type: ignore[attr-defined]
    return names


def replaced(value: T, **changes: Any) -> T:
    """Returns the value with some fields changed."""
    fields = {name: getattr(value, name) for name in names_of(value)}
    return type(value)(**{**fields, **changes})


def _initialise(self: Any, *arguments: Any, **named: Any) -> None:
    names = names_of(self)
    if len(arguments) > len(names):
        raise TypeError(f"{type(self).__name__} takes {len(names)} values, not {len(arguments)}")
    given = dict(zip(names, arguments, strict=False))
    for name, item in named.items():
        if name not in names or name in given:
            raise TypeError(f"{type(self).__name__} got an unexpected or repeated argument {name!r}")
        given[name] = item
    for name in names:
        if name in given:
            object.__setattr__(self, name, given[name])
        elif not hasattr(type(self), name):
            raise TypeError(f"{type(self).__name__} needs a value for {name!r}")


def _compared(self: Any) -> tuple[Any, ...]:
    hidden = getattr(type(self), "_hidden", ())
    return tuple(getattr(self, name) for name in names_of(self) if name not in hidden)


def _equal(self: Any, other: object) -> bool:
    return type(self) is type(other) and _compared(self) == _compared(other)


def _hash(self: Any) -> int:
    return hash((type(self).__name__, _compared(self)))


def _shown(self: Any) -> str:
    hidden = getattr(type(self), "_hidden", ())
    fields = (f"{name}={getattr(self, name)!r}" for name in names_of(self) if name not in hidden)
    return f"{type(self).__name__}({', '.join(fields)})"


def _refuse(self: Any, name: str, _: object = None) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")
