"""`connectors approve_customization`: records what a customization changes, by kind, in a file for review."""

import click

from airbyte_ci import app
from airbyte_ci.build import approval, customized
from airbyte_ci.cli import console
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.store import Store
from airbyte_ci.outcomes import Outcome, Status, exit_code
from airbyte_ci.reports import terminal


@click.command("approve_customization")
@click.option("--dry-run", is_flag=True, help="Print the diff and write nothing.")
@with_selection
def approve_customization(settings: Settings, asked: Asked, dry_run: bool) -> int:
    """Write build_customization.lock: the packages, variables, folders and users that the customization adds.

    The file records the last build of the current customization. Commit it, so that its owners approve it together
    with the customization. Then `connectors check` reports everything that is new since.
    """
    fleet = fleets.load_for_change(settings, asked, "approve_customization")
    store = app.open_store()
    outcomes = []
    for connector in fleet.connectors:
        edit, outcome = _approve(store, connector, named=connector.name in asked.selection.names)
        if outcome.status == "ok" and not dry_run:
            edit.apply(fleet.configuration.root)
        outcomes.append(outcome)
        if settings.as_json:
            console.document(outcome.to_json())
            continue
        if dry_run:
            console.content(edit.diff())
        console.block(terminal.outcome(outcome, alone=len(fleet.connectors) == 1))
    if not settings.as_json:
        console.block(terminal.ending(outcomes, "written", whole=asked.whole(len(fleet.connectors))))
    return exit_code(outcomes)


def _approve(store: Store, connector: Connector, *, named: bool) -> tuple[Edit, Outcome]:
    if connector.names.isdisjoint((customization.FILE, customization.MODULE)):
        status: Status = "failed" if named else "skipped"
        return Edit(), Outcome(connector.name, status, reason="it does not customize its build")
    try:
        found = customized.of_connector(store, connector)
    except AirbyteCiError as error:
        return Edit(), Outcome(connector.name, "failed", reason=error.message, advice=error.advice or "")
    if not found:
        return Edit(), Outcome(
            connector.name,
            "failed",
            reason="its customization or base image changed after the last build, so its effect is unknown",
            advice=f"airbyte-ci connectors --name={connector.name} build",
        )
    path = customization.LOCK if connector.relative == "." else f"{connector.relative}/{customization.LOCK}"
    place = connector.folder / customization.LOCK
    before = place.read_bytes() if place.exists() else None
    after = approval.text(approval.kinds(found.values()), connector.name).encode()
    facts = {"path": path, "platforms": list(found)}
    if before == after:
        return Edit(), Outcome(connector.name, "skipped", reason=f"{path} is current", facts=facts)
    written = Outcome(
        connector.name, "ok", f"{path} from the builds for {', '.join(found)}", advice=f"git add {path}", facts=facts
    )
    return Edit.of([FileChange(path, before, after)]), written
