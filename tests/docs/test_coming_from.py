"""The pages for users of the original airbyte-ci."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from airbyte_ci.cli import main
from airbyte_ci.cli.connectors import group
from airbyte_ci.cli.main import cli

PAGE = (Path(__file__).parents[2] / "docs/from-airbyte-ci.md").read_text("utf-8")
_SPELLING = re.compile(r"--[a-z][a-z0-9-]*")


def _hidden(command: click.Command, context: click.Context) -> set[str]:
    """The spellings of the accepted former options, of a command and all commands below it."""
    found = {
        spelling
        for option in command.params
        if isinstance(option, click.Option) and option.hidden
        for spelling in (*option.opts, *option.secondary_opts)
    }
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if child := command.get_command(context, name):
                found |= _hidden(child, click.Context(child, info_name=name, parent=context))
    return found


def test_every_former_option_is_on_the_page() -> None:
    """Each option that is accepted for old scripts has a row that says what it is now."""
    assert _hidden(cli, click.Context(cli)) - {*_SPELLING.findall(PAGE)} == set()


def test_every_former_command_is_on_the_page() -> None:
    """Each command that names its replacement has a row."""
    assert [
        name
        for name in (*group._INSTEAD, *main._INSTEAD)
        if f"`connectors {name}" not in PAGE and f"`{name}`" not in PAGE
    ] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["update"], "uv tool upgrade airbyte-ci"),
        (["connectors", "migrate_to_poetry"], "`lock` writes a first one"),
        (["connectors", "generate-erd"], "draws no diagrams"),
    ],
)
def test_a_former_command_names_its_replacement(arguments: list[str], said: str) -> None:
    """A removed command is wrong usage, with the way to do the same."""
    run = CliRunner().invoke(cli, arguments)
    assert (run.exit_code, said in run.output) == (2, True)


@pytest.mark.parametrize(
    "options",
    [
        ["test", "--concurrent-cat"],
        ["test", "--global-status-check-context=x"],
        ["build", "--use-host-gradle-dist-tar"],
    ],
)
def test_a_former_option_has_no_effect(options: list[str], tmp_path: Path) -> None:
    """An option of the original is accepted with a note, before anything else is looked up."""
    run = CliRunner().invoke(cli, ["--repo", str(tmp_path), "connectors", *options])
    assert f"{options[1].partition('=')[0]} has no effect: " in run.output
