"""Prints docs/reference.md: every command with its options, from the same source as `--help` (`make reference`)."""

from collections.abc import Iterator

import click

from airbyte_ci.cli.connectors.group import connectors
from airbyte_ci.cli.main import cli

HEAD = """\
# Reference

Every command and option. `make reference` generates this page from the same source as `--help`, and a test compares them.
In the names of commands, `_` and `-` are interchangeable.

Exit codes: 0 success, 1 something failed (each failure is named), 2 wrong usage, 3 internal error, 130 interrupted.
Results go to stdout, everything else to stderr.
"""
SELECTION = """\
## Selection

These options select connectors. They may precede or follow the command's name. Filters of different kinds are combined
with AND, values of one kind with OR. Without a filter, `list` shows every connector, and other commands require `--all`.
Inside a connector's folder, that connector is selected by default.
"""


def main() -> None:
    """The whole page, on stdout."""
    print("\n".join(_page()))


def _page() -> Iterator[str]:
    context = click.Context(cli, info_name="airbyte-ci")
    yield HEAD
    yield "## Global options\n"
    yield from _options(cli, context, ())
    shared = _names(connectors)
    yield SELECTION
    yield from _options(connectors, context, ())
    for path, command, child in _commands(cli, context):
        yield f"## {path}\n"
        usage = " ".join(command.collect_usage_pieces(child)).replace("[OPTIONS]", "").strip()
        selects = shared <= _names(command)
        yield f"`{' '.join([_with_selection(path) if selects else path, usage]).strip()}`\n"
        yield _text(command.help or "")
        yield from _options(command, child, shared if selects else ())


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    """The commands that do something, each with its whole name."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        child = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _commands(command, child)
        else:
            yield child.command_path, command, child


def _with_selection(path: str) -> str:
    """The name of a command with the place of the selection: that of its group, if the group has these options."""
    group = "airbyte-ci connectors"
    return path.replace(group, f"{group} [SELECTION]") if path.startswith(group) else f"{path} [SELECTION]"


def _names(command: click.Command) -> set[str]:
    """The options of a command, by their first spelling."""
    return {option.opts[0] for option in command.params if isinstance(option, click.Option) and not option.hidden}


def _options(command: click.Command, context: click.Context, left_out: set[str] | tuple[()]) -> Iterator[str]:
    """The table of a command's own options; empty where it has none."""
    rows = [
        record
        for option in command.params
        if isinstance(option, click.Option) and option.opts[0] not in left_out
        if (record := option.get_help_record(context))
    ]
    if rows:
        yield "| option | what it does |\n|---|---|"
        yield from (f"| {_code(names)} | {_cell(told)} |" for names, told in rows)
        yield ""


def _text(help_text: str) -> str:
    """A docstring as paragraphs, each on a line."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in help_text.split("\n\n"))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _code(names: str) -> str:
    return f"`{names}`".replace("|", "\\|")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
