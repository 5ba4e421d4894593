"""The options of a migration: fields of a frozen dataclass, from which the command makes its own options.

Each function here is the default of one field. The annotation of the field is the type that the function returns.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

KEY = "option"
Kind = Literal["argument", "text", "texts", "flag", "yes or no"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option as the help shows it. `spelling` is `--to`, or the name of an argument; `metavar` names the value."""

    kind: Kind
    spelling: str
    help: str = ""
    metavar: str | None = None


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of a migration without options."""


def declared(options: type[Any]) -> dict[str, Option]:
    """Returns the options that a dataclass declares, by the names of its fields."""
    return {item.name: item.metadata[KEY] for item in dataclasses.fields(options)}


def argument(name: str) -> str:
    """Declares a required argument."""
    declared: str = field(metadata={KEY: Option("argument", name)})
    return declared


def text(spelling: str, help: str, *, metavar: str = "TEXT") -> str | None:  # noqa: A002  # as in click
    """Declares an option with a text; None if it is not given."""
    return field(default=None, metadata={KEY: Option("text", spelling, help, metavar)})


def texts(spelling: str, help: str, *, metavar: str = "TEXT") -> tuple[str, ...]:  # noqa: A002  # as in click
    """Declares an option that may be given several times."""
    return field(default=(), metadata={KEY: Option("texts", spelling, help, metavar)})


def flag(spelling: str, help: str) -> bool:  # noqa: A002  # as in click
    """Declares an option without a value."""
    return field(default=False, metadata={KEY: Option("flag", spelling, help)})


def yes_or_no(spelling: str, help: str) -> bool:  # noqa: A002  # as in click
    """Declares an option with the value true or false; false if it is not given."""
    return field(default=False, metadata={KEY: Option("yes or no", spelling, help)})
