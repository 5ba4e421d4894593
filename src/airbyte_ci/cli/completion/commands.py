"""Reads all of click's commands into an index. Imports every command, which takes a second."""

from collections.abc import Iterator

import click

from airbyte_ci import error_pages
from airbyte_ci.checks import all_checks
from airbyte_ci.cli.completion.index import CONNECTORS, FILE, FOLDER, NONE, VERSIONS, IndexedCommand, IndexedOption
from airbyte_ci.cli.lazy import LazyGroup
from airbyte_ci.connector_tests import steps

# Values of options by their metavar and name, where click does not know them.
_CHECKS = ("--only", "--skip")
_STEPS = ("--only-step", "--skip-step")


def index(group: click.Command, short: str = "") -> IndexedCommand:
    """Returns the index of a command and of all commands in it."""
    context = click.Context(group)
    commands = {}
    if isinstance(group, click.Group):
        shorts = group.shorts if isinstance(group, LazyGroup) else {}
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command and not command.hidden:
                commands[name] = index(command, shorts.get(name, ""))
    parameters = list(group.get_params(context))
    return IndexedCommand(
        short,
        tuple(found for item in parameters if isinstance(item, click.Option) for found in _option(item)),
        tuple(_value(item, item.name or "", ()) for item in parameters if isinstance(item, click.Argument)),
        commands,
    )


def _option(item: click.Option) -> Iterator[IndexedOption]:
    yield _value(item, item.help or "", tuple(item.opts))
    if item.secondary_opts:
        yield _value(item, item.help or "", tuple(item.secondary_opts))


def _value(item: click.Option | click.Argument, text: str, names: tuple[str, ...]) -> IndexedOption:
    is_flag = isinstance(item, click.Option) and (item.is_flag or item.count)
    values = () if is_flag else _values(item, names)
    return IndexedOption(
        names=names,
        takes_value=not is_flag,
        is_hidden=isinstance(item, click.Option) and item.hidden,
        is_repeatable=item.multiple or item.nargs == -1,
        help=text.partition(". ")[0].partition("\n")[0].rstrip("."),
        values=values,
        kind=NONE if is_flag or values else _kind(item, names),
    )


def _values(item: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(item.type, click.Choice):
        return tuple(map(str, item.type.choices))
    if item.metavar == "ID" and names and names[-1] in _CHECKS:
        return tuple(all_checks.IDS)
    if item.metavar == "ID" and names and names[-1] in _STEPS:
        return tuple(steps.IDS)
    if item.metavar == "[ID]":
        return (*error_pages.PAGES, *all_checks.IDS)
    if item.metavar == "ID=WEIGHT":
        return tuple(f"{name}={weight}" for name in all_checks.IDS for weight in ("error", "warning", "off"))
    return ()


def _kind(item: click.Parameter, names: tuple[str, ...]) -> str:
    if isinstance(item.type, click.Path):
        return FILE if item.type.file_okay else FOLDER
    if "--name" in names and item.metavar == "NAME":
        return CONNECTORS
    return VERSIONS if "--to" in names and item.metavar == "VERSION" else NONE
