"""The one place that prints: what others wrote cannot move a cursor, forge a line or command a CI system from here.

The output of a connector that `run` starts does not pass here: it goes to whoever asked for exactly that.
"""

import os
import shutil
import stat
import sys
from typing import Any

import click

from airbyte_ci import text

# Variables by which CI systems say that they read the output: GitHub's, GitLab's and most others', Azure's, TeamCity's.
_CI = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")


def width() -> int | None:
    """Returns how many columns a table on stdout may have: those of the terminal, or of COLUMNS; else any number."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size().columns
    return None


def line(message: str = "", *, err: bool = False) -> None:
    """Prints one line; line ends within it are escaped, except in front of quoted lines (`text.QUOTED`)."""
    click.echo(text.escape_line(message), err=err)


def error(message: str) -> None:
    """Prints a failure on stderr."""
    line(click.style("✗ ", fg="red") + message, err=True)


def block(lines: str, *, err: bool = False) -> None:
    """Prints the lines of a report; nothing where it has none."""
    if lines:
        click.echo(text.escape_block(lines.removesuffix("\n")), err=err)


def document(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> None:
    """Prints JSON: any parser reads exactly this value."""
    click.echo(text.dump_json(value, indent=indent, sort_keys=sort_keys))


def commands(lines: str, *, err: bool = False) -> None:
    """Prints workflow commands, which `reports.annotations` has encoded."""
    click.echo(lines, nl=False, err=err)


def content(value: str) -> None:
    """Prints the text of a file (a diff, a Dockerfile): exactly for a program, escaped for a terminal or a CI's log."""
    click.echo(value if _is_read_by_program() else text.escape_block(value), nl=False)


def live(drawing: str) -> None:
    """Prints the live lines of `cli.progress`, which escapes what is in them and moves the cursor itself."""
    click.echo(drawing, nl=False, err=True)


def _is_read_by_program() -> bool:
    try:
        mode = os.fstat(sys.stdout.fileno()).st_mode
    except (OSError, ValueError):  # not a file of the system, as in a test
        return True
    return stat.S_ISREG(mode) or not (sys.stdout.isatty() or any(os.environ.get(name) for name in _CI))
