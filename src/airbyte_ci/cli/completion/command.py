"""`completion`: prints the script that completes command lines in a shell."""

import os

import click
from click.shell_completion import get_completion_class

from airbyte_ci.cli import console
from airbyte_ci.cli.completion import answer, commands, index


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the script that completes commands, options, connectors, base image versions and checks in a shell.

    Write it to a file that the shell reads at its start, such as ~/.local/share/bash-completion/completions/airbyte-ci,
    a folder of zsh's $fpath under the name _airbyte-ci, or ~/.config/fish/completions/airbyte-ci.fish.
    """
    root = context.find_root().command
    index.save(answer.index_path(os.environ), commands.index(root))
    made = get_completion_class(shell)
    assert made is not None
    console.content(made(root, {}, "airbyte-ci", answer.VARIABLE).source())
    return 0
