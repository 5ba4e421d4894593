"""`--executor`: runs a command for each selected connector on another machine."""

import functools
from collections.abc import Callable
from typing import Any

import click

from airbyte_ci.cli.options import SelectionOptions, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError


def with_executor(function: Callable[..., Any]) -> Callable[..., Any]:
    """Calls a command as `with_selection` does; adds `--executor`, which runs the command on a cluster instead.

    Also adds `--job-memory`, for the jobs of the cluster.
    """

    @click.option(
        "--executor",
        metavar="ADDRESS",
        help="Run the command for each connector on this Dask cluster, dask://HOST:PORT or dask+tls://HOST:PORT "
        "(default: on this machine).",
    )
    @click.option(
        "--job-memory",
        callback=lambda _context, _option, given: _memory(given),
        metavar="SIZE",
        help="With --executor, reserve this much of a worker's MEMORY resource for each connector, such as 2GB, "
        "and end a job that uses more (default: no reservation and no limit).",
    )
    @with_selection
    @functools.wraps(function)
    def command(
        settings: Settings,
        asked: SelectionOptions,
        *arguments: object,
        executor: str | None,
        job_memory: int,
        **options: object,
    ) -> Any:  # noqa: ANN401  # click's callables
        if executor:
            from airbyte_ci.cli.cluster import dispatch  # most runs stay on this machine

            return dispatch(settings, asked, executor, job_memory)
        if job_memory:
            raise UsageError("--job-memory is for the jobs of --executor", advice="add --executor ADDRESS")
        return function(settings, asked, *arguments, **options)

    return command


def _memory(given: str | None) -> int:
    if not given:
        return 0
    from airbyte_ci.oci.store.size import parse_size  # few runs name a size

    size = parse_size(given)
    if not size:
        raise click.BadParameter(f"{given!r} is not a size; write it as 500MB or 2GB")
    return size
