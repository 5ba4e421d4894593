"""The only module that prints. Foreign text cannot move the cursor, forge a line or send a CI system a command.

Exception: the output of a connector that `run` starts is passed through unchanged.
"""

import os
import stat
import sys

import click

from airbyte_ci import text
from airbyte_ci.errors import AirbyteCiError

# Variables that show that a CI system reads the output: GitHub, GitLab and most others, Azure, TeamCity.
_CI = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")


def width() -> int | None:
    """Returns the width limit of tables on stdout: that of the terminal or of COLUMNS; None means unlimited."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        import shutil  # only tables need it

        return shutil.get_terminal_size().columns
    return None


def line(message: str = "", *, err: bool = False) -> None:
    """Prints one line; line ends within it are escaped, except in front of quoted lines (`text.QUOTED`)."""
    click.echo(text.escape_line(message), err=err)


def error(message: str) -> None:
    """Prints a failure on stderr."""
    line(click.style("✗ ", fg="red") + message, err=True)


def failure(failed: AirbyteCiError) -> None:
    """Prints an error with its id, advice and details on stderr."""
    message = text.with_id(failed.message, failed.error_id, is_dim=True)
    error(f"{message} → {failed.advice}" if failed.advice else message)
    block(text.join_lines(f"  {detail}" for detail in failed.details), err=True)


def block(lines: str, *, err: bool = False) -> None:
    """Prints the lines of a report; prints nothing if the report is empty."""
    if lines:
        click.echo(text.escape_block(lines.removesuffix("\n")), err=err)


def document(value: object, *, indent: int | None = None, sort_keys: bool = False) -> None:
    """Prints a value as JSON that every parser reads exactly."""
    click.echo(text.dump_json(value, indent=indent, sort_keys=sort_keys))


def commands(lines: str, *, err: bool = False) -> None:
    """Prints workflow commands, which `reports.annotations` has encoded."""
    click.echo(lines, nl=False, err=err)


def content(value: str) -> None:
    """Prints the text of a file, such as a diff: unchanged for programs, escaped for terminals and CI logs."""
    click.echo(value if _is_read_by_program() else text.escape_block(value), nl=False)


def live(drawing: str) -> None:
    """Prints the live lines of `cli.progress`, which escapes what is in them and moves the cursor itself."""
    click.echo(drawing, nl=False, err=True)


def _is_read_by_program() -> bool:
    try:
        mode = os.fstat(sys.stdout.fileno()).st_mode
    except (OSError, ValueError):  # a stream without a file descriptor, as in tests
        return True
    return stat.S_ISREG(mode) or not (sys.stdout.isatty() or any(os.environ.get(name) for name in _CI))
