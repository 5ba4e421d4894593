"""`dataclass` for modules that every command imports: Python's frozen dataclass, but quick to define.

For each class, Python's own writes six methods as text and compiles them, which takes 0.5 ms in every process. Here the
methods are closures over the class's fields. A call takes some microseconds longer, so classes with very many
instances, and those that few commands import, use Python's own.
"""

import dataclasses
import operator
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")


def _dataclass(
    *, frozen: bool, slots: bool = False, kw_only: bool = False, order: bool = False
) -> Callable[[type[T]], type[T]]:
    """Makes a class a frozen dataclass; the functions of `dataclasses` accept it."""
    if not frozen:
        raise TypeError("a quick dataclass is frozen")

    def make(cls: type[T]) -> type[T]:
        # Only of a class that inherits, Python's own compares whether both are frozen.
        inherits = any(hasattr(base, "__dataclass_params__") for base in cls.__mro__[1:])
        usual = dataclasses.dataclass(init=False, repr=False, eq=False, frozen=inherits, slots=slots, kw_only=kw_only)
        made = usual(cls)
        made.__dataclass_params__.frozen = True  # type: ignore[attr-defined]  # for classes that inherit from this one
        own = {name for name, value in vars(cls).items() if value is not None}
        for name, method in (_methods(made) | (_comparisons(made) if order else {})).items():
            if name not in own:
                setattr(made, name, method)
        return made

    return make


def _methods(cls: type) -> dict[str, Callable[..., Any]]:
    """Returns the methods that `dataclasses` would compile."""
    fields = dataclasses.fields(cls)
    positional = [field.name for field in fields if not field.kw_only]
    compared = [field.name for field in fields if field.compare]
    shown = [field.name for field in fields if field.repr]
    after: Callable[[object], None] | None = getattr(cls, "__post_init__", None)
    store = object.__setattr__  # that of the class refuses

    def init(self: object, *values: object, **named: object) -> None:
        for name, value in zip(positional, values, strict=False):
            if name in named:
                raise TypeError(f"{cls.__qualname__}() got multiple values for argument {name!r}")
            named[name] = value
        if len(values) > len(positional):
            raise TypeError(f"{cls.__qualname__}() takes {len(positional)} positional arguments, got {len(values)}")
        for field in fields:
            if field.name in named:
                value = named.pop(field.name)
            elif field.default is not MISSING:
                value = field.default
            elif field.default_factory is not MISSING:
                value = field.default_factory()
            else:
                raise TypeError(f"{cls.__qualname__}() is missing the argument {field.name!r}")
            store(self, field.name, value)
        if named:
            raise TypeError(f"{cls.__qualname__}() got an unexpected argument {next(iter(named))!r}")
        if after:
            after(self)

    def show(self: object) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def equal(self: object, other: object) -> Any:  # noqa: ANN401  # as Python's operators
        if type(other) is not type(self):
            return NotImplemented
        return [getattr(self, name) for name in compared] == [getattr(other, name) for name in compared]

    def hash_of(self: object) -> int:
        return hash(tuple([getattr(self, name) for name in compared]))

    def refuse(self: object, name: str, *_: object) -> None:
        raise FrozenInstanceError(f"cannot change field {name!r} of {type(self).__qualname__}")

    # Copies and pickles would otherwise set attributes.
    def state_of(self: object) -> list[object]:
        return [getattr(self, field.name) for field in fields]

    def restore(self: object, state: list[object]) -> None:
        for field, value in zip(fields, state, strict=True):
            store(self, field.name, value)

    return {
        "__init__": init,
        "__repr__": show,
        "__eq__": equal,
        "__hash__": hash_of,
        "__setattr__": refuse,
        "__delattr__": refuse,
        "__getstate__": state_of,
        "__setstate__": restore,
    }


def _comparisons(cls: type) -> dict[str, Callable[..., Any]]:
    """Returns the methods that compare two instances by their fields, in their order."""
    names = [field.name for field in dataclasses.fields(cls) if field.compare]

    def comparison(operation: Callable[[Any, Any], Any]) -> Callable[[object, object], Any]:
        def compare(self: object, other: object) -> Any:  # noqa: ANN401  # as Python's operators
            if type(other) is not type(self):
                return NotImplemented
            return operation([getattr(self, name) for name in names], [getattr(other, name) for name in names])

        return compare

    operations = {"__lt__": operator.lt, "__le__": operator.le, "__gt__": operator.gt, "__ge__": operator.ge}
    return {name: comparison(operation) for name, operation in operations.items()}


if TYPE_CHECKING:  # the same meaning, so the same types
    from dataclasses import dataclass as dataclass
else:
    dataclass = _dataclass
