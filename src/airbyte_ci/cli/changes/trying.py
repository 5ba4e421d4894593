"""`--try` of migrations and upgrades: builds each change and runs `spec` before anything is written."""

import dataclasses
from collections.abc import Mapping

import click

from airbyte_ci.app import App
from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.changes.findings import shorten
from airbyte_ci.campaigns.changes.overlay import overlay
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.cli import resolving
from airbyte_ci.cli.changes.campaign import Campaign, Planner
from airbyte_ci.cli.progress import Progress
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, ConnectorError, ImageError, RegistryError, StoreError, UsageError
from airbyte_ci.images import job

# These errors have causes other than the base image.
_ELSEWHERE = (UsageError, RegistryError, StoreError)

option = click.option(
    "--try",
    "is_tried",
    is_flag=True,
    help="Build each change and run `spec` before writing it; use the newest base image on which `spec` succeeds.",
)


def planner(campaign: Campaign, plan: Planner, app: App, progress: Progress) -> Planner:
    """Returns the planner that tries each change of `plan`, and plans again without the base images that failed."""
    return _Trying(campaign, plan, app, progress).plan


class _Trying:
    def __init__(self, campaign: Campaign, plan: Planner, app: App, progress: Progress) -> None:
        configuration = campaign.fleet.configuration
        self._root = configuration.root
        self._plan = plan
        self._progress = progress
        self._app = app
        self._catalog = campaign.catalog
        self._order = resolving.trial_order(app)

    def plan(self, task: Task) -> Change:
        """Returns the change with the newest base image on which `spec` succeeds. Raises AirbyteCiError."""
        failed: dict[str, str] = {}
        connector = task.connector
        while True:
            try:
                change = self._plan(dataclasses.replace(task, failed=failed))
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
            with overlay(connector, self._root, change.edit) as changed:
                job.attempt(changed, self._order, self._app.tools(changed.name))
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
        found = self._catalog.find(change.base_image or "")
        return f"Python {found.python}; " if found and found.python else ""

    def _list_failures(self, failed: Mapping[str, str]) -> str:
        versions = {address: self._catalog.find(address) for address in failed}
        names = {address: found.version if found else address for address, found in versions.items()}
        return "; ".join(f"{names[address]} {reason}" for address, reason in failed.items())
