"""The options that say how two images are run for a comparison: those of `compare`, and of `--prove`."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from airbyte_ci.app import now
from airbyte_ci.cli.connector_file import read_connector_file
from airbyte_ci.cli.options import with_options
from airbyte_ci.connector_tests import secrets
from airbyte_ci.connector_tests.read_inputs import ReadInputs
from airbyte_ci.sandbox.command import Network

if TYPE_CHECKING:  # slow to import, and few migrations are proven
    from airbyte_ci.connector_tests.behavior.compare import BehaviorOptions

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedBehavior:
    """The options as the user gives them; the files as their contents, which are valid."""

    config: bytes | None = None
    catalog: bytes | None = None
    state: bytes | None = None
    is_live: bool = False
    ignored: tuple[str, ...] = ()
    network: Network = "private"
    timeout: int = 600

    @property
    def needs_config(self) -> bool:
        """Returns whether an option has no meaning without a configuration of the connector."""
        return bool(self.catalog or self.state or self.is_live or self.ignored)

    def inputs(self, found: secrets.Secrets) -> ReadInputs:
        """Returns the inputs of check, discover and read, with the secrets that were found."""
        return ReadInputs(secrets=found, catalog=self.catalog, state=self.state)

    def options(self, connection: ReadInputs | None, *, missing: str = "", kind: str = "") -> "BehaviorOptions":
        """Returns how to run the images of a connector of a kind, which may be unknown."""
        from airbyte_ci.connector_tests.behavior.compare import BehaviorOptions

        return BehaviorOptions(
            connection=connection,
            missing=missing,
            is_destination=kind == "destination",
            network=self.network,
            is_live=self.is_live,
            ignored=self.ignored,
            timeout=self.timeout,
            now=now(),
        )


NO_BEHAVIOR_REQUESTED = RequestedBehavior()


def with_behavior(config: str, catalog: str, needs: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the options, which the function receives as `behavior`. Raises UsageError for a file that is invalid.

    `config` and `catalog` are the help of these two; `needs` follows each help.
    """
    options = (
        click.option("--config", type=_FILE, metavar="FILE", help=f"{config}{needs}"),
        click.option("--catalog", type=_FILE, metavar="FILE", help=f"Read this configured catalog ({catalog}).{needs}"),
        click.option("--state", type=_FILE, metavar="FILE", help=f"Start the first read from this state.{needs}"),
        click.option(
            "--live",
            "is_live",
            is_flag=True,
            help="Let both images ask the source, instead of replaying the old image's HTTP traffic to the new "
            f"one.{needs}",
        ),
        click.option(
            "--ignore-parameter",
            "ignored",
            multiple=True,
            metavar="NAME",
            help=f"Ignore this query parameter when a request is compared with the recorded ones; repeatable.{needs}",
        ),
        click.option(
            "--network",
            type=click.Choice(["private", "host"]),
            default="private",
            show_default=True,
            help=f"Set the network of check, discover and read. With host, the source may be on this machine.{needs}",
        ),
        click.option(
            "--timeout",
            type=click.IntRange(min=1),
            default=600,
            show_default=True,
            metavar="SECONDS",
            help=f"Stop a command of the connector that takes longer.{needs}",
        ),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(
            *arguments: object,
            config: Path | None,
            catalog: Path | None,
            state: Path | None,
            is_live: bool,
            ignored: tuple[str, ...],
            network: Network,
            timeout: int,
            **rest: object,
        ) -> Any:  # noqa: ANN401  # click's callables
            behavior = RequestedBehavior(
                config=secrets.configuration_in(config) if config else None,
                catalog=_read_catalog(catalog) if catalog else None,
                state=_read_state(state) if state else None,
                is_live=is_live,
                ignored=ignored,
                network=network,
                timeout=timeout,
            )
            return function(*arguments, behavior=behavior, **rest)

        return with_options(functools.update_wrapper(wrapped, function), options)

    return decorate


def _read_catalog(path: Path) -> bytes | None:
    from airbyte_ci.connector_tests.protocol import problem_of_catalog  # slow to import

    return read_connector_file(path, problem_of_catalog)


def _read_state(path: Path) -> bytes | None:
    from airbyte_ci.connector_tests.protocol import problem_of_state  # slow to import

    return read_connector_file(path, problem_of_state)
