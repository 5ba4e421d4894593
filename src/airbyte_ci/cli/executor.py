"""`--executor`: runs a command for each selected connector on another machine."""

import functools
from collections.abc import Callable
from typing import Any

import click

from airbyte_ci.cli.options import SelectionOptions, with_selection
from airbyte_ci.cli.settings import Settings


def with_executor(function: Callable[..., Any]) -> Callable[..., Any]:
    """Calls a command as `with_selection` does; adds `--executor`, which runs the command on a cluster instead."""

    @click.option(
        "--executor",
        metavar="ADDRESS",
        help="Run the command for each connector on this Dask cluster, dask://HOST:PORT or dask+tls://HOST:PORT "
        "(default: on this machine).",
    )
    @with_selection
    @functools.wraps(function)
    def command(
        settings: Settings, asked: SelectionOptions, *arguments: object, executor: str | None, **options: object
    ) -> Any:  # noqa: ANN401  # click's callables
        if executor:
            from airbyte_ci.cli.cluster import dispatch  # most runs stay on this machine

            return dispatch(settings, asked, executor)
        return function(settings, asked, *arguments, **options)

    return command
