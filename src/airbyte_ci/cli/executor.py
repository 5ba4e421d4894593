"""`--executor`: runs a command for each selected connector on another machine."""

import functools
from collections.abc import Callable
from typing import Any

from airbyte_ci.cli.options import SelectionOptions
from airbyte_ci.cli.settings import Settings


def on_executor(function: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a command of `with_executor` on the cluster, if one is given."""

    @functools.wraps(function)
    def command(settings: Settings, asked: SelectionOptions, *arguments: object, **options: object) -> Any:  # noqa: ANN401
        if asked.executor:
            from airbyte_ci.cli.cluster import dispatch  # most runs stay on this machine

            return dispatch(settings, asked)
        return function(settings, asked, *arguments, **options)

    return command
