"""`connectors lock`: resolves the requirements of connectors and writes their lock files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import click

from airbyte_ci.cli import console, resolving, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.connectors import recording
from airbyte_ci.cli.options import SelectionOptions, with_selection
from airbyte_ci.cli.platforms import architecture_option, parse_platform
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors import pylock_names
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.edit import Edit
from airbyte_ci.errors import AirbyteCiError, LockError
from airbyte_ci.images import locking
from airbyte_ci.images.locking import Upgrade
from airbyte_ci.images.rules import Rules
from airbyte_ci.oci.image import Platform
from airbyte_ci.outcomes import Outcome, exit_code, failure
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.reports import terminal


@dataclass(frozen=True, slots=True)
class _Order:
    """The requested resolution. A connector that another tool locks is a failure only if connectors are named."""

    platforms: tuple[Platform, ...]
    base_image: str | None
    upgrade: Upgrade
    is_named: bool


@click.command("lock")
@click.option(
    "--resolve-as-of",
    metavar="DAY",
    help="Resolve versions as of this date, such as 2024-04-01 (default: the lock file's date, else the current time).",
)
@architecture_option("Lock for this platform (default: linux/amd64 and linux/arm64); repeatable.")
@click.option(
    "--base-image",
    metavar="ADDRESS",
    help="Lock for the Python of this base image (default: the one in metadata.yaml).",
)
@click.option("--upgrade", is_flag=True, help="Use the newest versions instead of the locked ones.")
@click.option(
    "-P",
    "--upgrade-package",
    "upgraded",
    multiple=True,
    metavar="NAME",
    help="Upgrade only this package and keep the others; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print the diff and write nothing.")
@with_selection
def lock_connectors(
    settings: Settings,
    asked: SelectionOptions,
    resolve_as_of: str | None,
    platforms: tuple[str, ...],
    base_image: str | None,
    *,
    upgrade: bool,
    upgraded: tuple[str, ...],
    dry_run: bool,
) -> int:
    """Resolve the requirements of connectors and write pylock.toml (PEP 751), from which builds install.

    Locked versions that still fit are kept, and so is the resolution date. Up-to-date lock files are skipped.
    """
    fleet = fleets.load_for_change(settings, asked, "lock")
    wanted = tuple(dict.fromkeys(map(parse_platform, platforms))) or resolving.PLATFORMS
    order = _Order(wanted, base_image, Upgrade(upgrade, upgraded), is_named=bool(asked.selection.names))
    outcomes = []
    with workbench.open_app(settings, fleet.configuration, len(fleet.connectors)) as (app, progress):

        def lock(connector: Connector) -> tuple[Edit, Outcome]:
            return _lock(connector, app.tools(connector.name), app.rules(resolve_as_of), order)

        try:
            for connector, (edit, outcome) in workbench.side_by_side(fleet.connectors, lock, asked.concurrency):
                if not dry_run and outcome.status == "ok":
                    edit.apply(fleet.configuration.root)
                progress.clear(connector.name)
                outcomes.append(outcome)
                with progress.paused():
                    _show(settings, edit if dry_run else Edit(), outcome, alone=len(fleet.connectors) == 1)
        except KeyboardInterrupt:
            with progress.paused():
                recording.tell_unfinished(settings, fleet.connectors, outcomes, "lock", "locked")
            raise
    if not settings.as_json:
        console.block(terminal.ending(outcomes, "locked", whole=asked.whole(len(fleet.connectors))))
    return exit_code(outcomes)


def _show(settings: Settings, edit: Edit, outcome: Outcome, *, alone: bool) -> None:
    if settings.as_json:
        console.document(outcome.to_json("lock"))
        return
    console.content(edit.diff())
    console.block(terminal.outcome(outcome, alone=alone))


def _lock(connector: Connector, tools: Tools, rules: Rules, order: _Order) -> tuple[Edit, Outcome]:
    """Returns the edit that writes the lock file, and the outcome."""
    try:
        document = locking.read(connector)
    except LockError as error:
        refused = failure(connector.name, error)
        return Edit(), refused if order.is_named else replace(refused, status="skipped")
    try:
        edit = _plan(connector, document, tools=tools, rules=rules, order=order)
    except AirbyteCiError as error:
        return Edit(), failure(connector.name, error)
    return edit, _outcome(connector, edit)


def _plan(connector: Connector, document: Mapping[str, Any] | None, tools: Tools, rules: Rules, order: _Order) -> Edit:
    builder, interpreters = resolving.open_builder(connector, tools, order.platforms, order.base_image)
    return locking.plan(connector, document, interpreters, rules, builder, order.upgrade)


def _outcome(connector: Connector, edit: Edit) -> Outcome:
    path = connector.path_of(pylock_names.FILE)
    if not edit:
        return Outcome(subject=connector.name, status="skipped", reason=f"{path} is current", facts={"path": path})
    ((_, added, removed),) = edit.counts()
    return Outcome(
        subject=connector.name,
        status="ok",
        summary=f"{path} +{added} −{removed}",
        advice=f"airbyte-ci connectors --name={connector.name} build",
        facts={"path": path},
    )
