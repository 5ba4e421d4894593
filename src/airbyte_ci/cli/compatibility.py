"""Options of the original's `connectors` group that scripts still pass: accepted, and told to have no effect.

What would change a result is refused instead: nobody must believe that it was done.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from airbyte_ci.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_NO_EFFECT = (
    ("--enable-dependency-scanning/--disable-dependency-scanning", "dependencies of Java connectors are not followed"),
    ("--enable-report-auto-open/--disable-report-auto-open", "reports are never opened"),
    ("--use-remote-secrets/--use-local-secrets", "secrets come from files or the environment"),
)
_NO_EFFECT_VALUES = (
    ("--execute-timeout", "nothing has a time limit"),
    ("--docker-hub-username", "logins are those of Docker and Podman"),
    ("--docker-hub-password", "logins are those of Docker and Podman"),
)
_REFUSED = ("--use-cdk-ref",)


def compatible_options(function: F) -> F:
    """Adds the options, hidden, to a command; their values do not reach it."""
    for spelling, why in _NO_EFFECT:
        function = _hidden(spelling, why, default=None)(function)
    for spelling, why in _NO_EFFECT_VALUES:
        function = _hidden(spelling, why, metavar="VALUE")(function)
    for spelling in _REFUSED:
        function = _hidden(spelling, None, metavar="VALUE")(function)
    return _hidden("--use-local-cdk", None, is_flag=True, default=None)(function)


def _hidden(spelling: str, why: str | None, **settings: Any) -> Callable[[F], F]:
    def told(ctx: click.Context, option: click.Parameter, value: object) -> None:  # noqa: ARG001  # click's signature
        if value is None or ctx.resilient_parsing:
            return
        name = spelling.partition("/")[0]
        if why is None:
            raise UsageError(
                f"{name} is not supported: an image is built from the connector's lock",
                advice="put that version of the CDK into the lock",
            )
        click.echo(click.style("! ", fg="yellow") + f"{name} has no effect: {why}", err=True)

    return click.option(spelling, hidden=True, expose_value=False, callback=told, **settings)
