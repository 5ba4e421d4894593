"""The root command: global options, the groups, and the only place where errors become messages and exit codes."""

import atexit
import io
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from airbyte_ci import __version__, interruption, text
from airbyte_ci.cli import console
from airbyte_ci.cli.compatibility import compatible_root_options
from airbyte_ci.cli.lazy import LazyGroup
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import AirbyteCiError

_GROUPS: Mapping[str, tuple[str, str, str]] = {
    "connectors": ("airbyte_ci.cli.connectors.group", "connectors", "List, migrate, build, test and run connectors."),
    "base-images": ("airbyte_ci.cli.base_images.group", "base_images", "List, build and release base images."),
    "verify": ("airbyte_ci.cli.verify", "verify", "Verify a published image, and rebuild it."),
    "campaign": ("airbyte_ci.cli.campaign.group", "campaign", "Change a fleet in waves, with trials and gates."),
    "init": ("airbyte_ci.cli.init", "init", "Write a configuration file for this repository."),
    "config": ("airbyte_ci.cli.configuration", "configuration", "Show the configuration, and its JSON Schema."),
    "apply": ("airbyte_ci.cli.changes.apply", "apply", "Apply the edits of a plan file."),
    "reports": ("airbyte_ci.cli.reports", "reports", "Join the reports of the jobs of a CI run."),
    "completion": ("airbyte_ci.cli.completion.command", "completion", "Print the completion script of a shell."),
    "doctor": ("airbyte_ci.cli.doctor", "doctor", "Check that this machine can build images, and suggest fixes."),
    "explain": ("airbyte_ci.cli.explain", "explain", "Explain an error by its id: cause and fix."),
    "store": ("airbyte_ci.cli.store", "store", "Inspect, verify, prune and move the local image store."),
}

# Commands of the original airbyte-ci that have another name here.
_INSTEAD: Mapping[str, str] = {
    "update": "Use `uv tool upgrade airbyte-ci`, or pip.",
    "tests": "Use `connectors test`.",
    "format": "airbyte-ci formats no code.",
}

# The exit code that shells use for SIGINT.
_INTERRUPTED = 130


@click.group(cls=LazyGroup, lazy=_GROUPS, instead=_INSTEAD, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="airbyte-ci", message="%(prog)s, version %(version)s")
@click.option(
    "--repo",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="Use the repository that contains this folder (default: the current folder).",
)
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.option("--quiet", is_flag=True, help="Print only results and errors, no progress.")
@click.option("--offline", is_flag=True, help="Use only the local store, and fail when the network is needed.")
@click.option(
    "--diffed-branch", default=None, metavar="REF", help="Compare this branch with REF (default: the remote's HEAD)."
)
@compatible_root_options
@click.pass_context
def cli(
    ctx: click.Context, repo: Path | None, *, as_json: bool, quiet: bool, offline: bool, diffed_branch: str | None
) -> None:
    """Build and maintain data connectors on certified base images."""
    ctx.obj = Settings(repo or Path.cwd(), as_json, quiet=quiet, offline=offline, diffed_branch=diffed_branch)


def main() -> NoReturn:
    """Runs the console script."""
    code = run(sys.argv[1:])
    if code == _INTERRUPTED or interruption.is_stopping():
        from airbyte_ci.cli import ending

        # A thread that is still at work must not delay the exit. Python itself would end by the signal if the
        # interruption happened in an `exec`, which dataclasses use.
        ending.leave(code)
    _leave(code)


def _leave(code: int) -> NoReturn:
    """Ends the process without taking its modules apart, which takes a tenth of the time of a short command.

    What was registered for the end is done. Where a thread, a profiler or a failing stream needs Python's own way, that
    is taken.
    """
    is_alone = all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    if is_alone and sys.getprofile() is None and sys.gettrace() is None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            sys.exit(code)
        atexit._run_exitfuncs()
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs the command line and returns the exit code: 0, 1 failed, 2 usage, 3 internal error, 130 interrupted."""
    try:
        result = cli.main(arguments, prog_name="airbyte-ci", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except AirbyteCiError as error:
        console.failure(error)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        console.block(shown.getvalue(), err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        console.error("interrupted: no partial results were written → run the command again to continue")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe (`| head`); Python must not complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001  # the last resort: every other error is a bug of airbyte-ci
        kind, report = type(error).__name__, _report(arguments)
        message = f"internal error: {kind}: {error} → please report it with the file {report}"
        console.error(text.escape_message(message))
        return 3


def _report(arguments: list[str]) -> str:
    """Writes the data of a bug report to a file and returns its path."""
    import platform
    import tempfile
    import traceback

    lines = [
        f"airbyte-ci {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"airbyte-ci {' '.join(arguments)}",
        "",
        traceback.format_exc(),
    ]
    with tempfile.NamedTemporaryFile("w", prefix="airbyte-ci-bug-", suffix=".txt", delete=False) as file:
        file.write("\n".join(lines))
    return file.name
