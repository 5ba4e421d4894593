"""Option groups that several commands share: one decorator and one value each."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.select import Selection
from airbyte_ci.errors import UsageError

NOTHING_ASKED = Selection()


@dataclass(frozen=True, slots=True)
class Asked:
    """A selection, and whether every connector was asked for by `--all`."""

    selection: Selection = NOTHING_ASKED
    everything: bool = False


@dataclass(frozen=True, slots=True)
class GroupState:
    """What the `connectors` group hands to its commands."""

    settings: Settings
    asked: Asked


F = TypeVar("F", bound=Callable[..., Any])

_SELECTION = (
    click.option("--name", "names", multiple=True, metavar="NAME", help="A connector by name; repeatable."),
    click.option(
        "--language",
        "languages",
        multiple=True,
        type=click.Choice(["python", "low-code", "java", "manifest-only"]),
        help="Connectors of this language; repeatable.",
    ),
    click.option(
        "--support-level",
        "support_levels",
        multiple=True,
        type=click.Choice(["certified", "community", "archived"]),
        help="Connectors of this support level; repeatable.",
    ),
    click.option("--metadata-query", "query", default=None, metavar="EXPR", help="An expression over `data`."),
    click.option("--all", "everything", is_flag=True, help="Every connector, for commands that change or build."),
)


def selection_options(function: F) -> F:
    """The options of a Selection, on the group and again after the verb; the two are put together."""
    for option in reversed(_SELECTION):
        function = option(function)
    return function


def json_option(function: F) -> F:
    """`--json` after the verb."""
    return click.option("--json", "as_json", is_flag=True, help="Results for machines, on stdout.")(function)


def selected(
    names: tuple[str, ...],
    languages: tuple[str, ...],
    support_levels: tuple[str, ...],
    query: str | None,
    everything: bool,
    before: Asked,
) -> Asked:
    """What was asked for here, added to what was asked for before the verb."""
    if query is not None and not query.strip():
        # A variable of a shell script that is not set must not select the whole fleet.
        raise UsageError("--metadata-query is empty", advice="leave it out, or give an expression over `data`")
    earlier = before.selection
    if earlier.query and query:
        query = f"({earlier.query}) and ({query})"
    return Asked(
        Selection(
            (*earlier.names, *names),
            (*earlier.languages, *languages),
            (*earlier.support_levels, *support_levels),
            query or earlier.query,
        ),
        everything or before.everything,
    )


def with_selection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command `(settings, asked, …)`: global and group options joined with those after the verb."""

    @selection_options
    @json_option
    def command(
        *arguments: Any,
        names: tuple[str, ...],
        languages: tuple[str, ...],
        support_levels: tuple[str, ...],
        query: str | None,
        everything: bool,
        as_json: bool,
        **others: Any,
    ) -> Any:
        state: GroupState = click.get_current_context().obj
        asked = selected(names, languages, support_levels, query, everything, state.asked)
        return function(state.settings.also(as_json=as_json), asked, *arguments, **others)

    # click reads the name and the help text from the function it is given.
    return functools.update_wrapper(command, function, updated=())
