"""`--try` of migrations and upgrades: builds each change and runs `spec` before anything is written."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import click

from airbyte_ci.app import App, written_day
from airbyte_ci.base_images import catalogue
from airbyte_ci.build import job
from airbyte_ci.build.order import Order
from airbyte_ci.campaigns.changes.baseline import Baseline
from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.changes.findings import shorten
from airbyte_ci.campaigns.changes.overlay import overlay
from airbyte_ci.cli import workbench
from airbyte_ci.cli.campaign import Planner
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import AirbyteCiError, ConnectorError, ImageError, RegistryError, StoreError, UsageError

Attempt = Callable[[Connector, Files, Baseline, Mapping[str, str]], Change]
"""Plans the change of a connector; the mapping has the base images on which it failed, with the reasons."""
# These errors have causes other than the base image.
_ELSEWHERE = (UsageError, RegistryError, StoreError)

option = click.option(
    "--try",
    "is_tried",
    is_flag=True,
    help="Build each change and run `spec` before writing it; use the newest base image on which `spec` succeeds.",
)


@contextmanager
def planner(settings: Settings, fleet: Fleet, attempt: Attempt, *, is_tried: bool) -> Iterator[Planner]:
    """Gives the planner of a migration; with `is_tried`, one that tries each change."""
    if not is_tried:
        yield lambda connector, files, known: attempt(connector, files, known, {})
        return
    with workbench.open_app(settings, fleet.configuration) as (app, progress):
        yield _Trying(fleet, attempt, progress, app).plan


class _Trying:
    def __init__(self, fleet: Fleet, attempt: Attempt, progress: Progress, app: App) -> None:
        self._root = fleet.configuration.root
        self._attempt = attempt
        self._progress = progress
        self._app = app
        self._catalogue = catalogue.load(fleet.configuration.catalogue_path)
        # A connector without a lock file is tried with yesterday's packages, the latest that no longer change.
        day = fleet.configuration.resolve_as_of or (written_day() - timedelta(days=1)).isoformat()
        self._order = Order(
            platforms=(app.native,), native=app.native, tags=(), rules=app.rules(day), passed=app.passed
        )

    def plan(self, connector: Connector, files: Files, known: Baseline) -> Change:
        """Returns the change with the newest base image on which `spec` succeeds. Raises AirbyteCiError."""
        failed: dict[str, str] = {}
        while True:
            try:
                change = self._attempt(connector, files, known, failed)
            except (NotApplicable, ConnectorError) as error:
                if not failed:
                    raise
                raise ConnectorError(
                    f"cannot move {connector.name}: no tried base image works ({self._list_failures(failed)})",
                    advice=error.advice,
                ) from error
            if change.base_image is None or change.base_image == connector.base_image:
                return change  # only the changelog
            reason = self._failure(connector, change)
            if not reason:
                return change
            failed[change.base_image] = reason

    def _failure(self, connector: Connector, change: Change) -> str:
        """Returns why `spec` fails in the changed connector, or an empty text if it succeeds.

        Raises UsageError, RegistryError and StoreError, whose causes are not the base image.
        """
        try:
            with overlay(connector, self._root, change.edit) as changed, self._app.tools(changed.name) as tools:
                job.attempt(changed, self._order, tools)
        except _ELSEWHERE as error:
            raise type(error)(f"cannot try {connector.name}: {error.message}", advice=error.advice) from error
        except AirbyteCiError as error:
            last = [line for line in error.message.splitlines() if line.strip()][-1]
            does = "fails spec on it" if isinstance(error, ImageError) else "cannot be built on it"
            return f"({self._python(change)}the connector {does}: {shorten(last.strip(), 120)})"
        finally:
            self._progress.clear(connector.name)
        return ""

    def _python(self, change: Change) -> str:
        found = self._catalogue.find(change.base_image or "")
        return f"Python {found.python}; " if found and found.python else ""

    def _list_failures(self, failed: Mapping[str, str]) -> str:
        versions = {address: self._catalogue.find(address) for address in failed}
        names = {address: found.version if found else address for address, found in versions.items()}
        return "; ".join(f"{names[address]} {reason}" for address, reason in failed.items())
