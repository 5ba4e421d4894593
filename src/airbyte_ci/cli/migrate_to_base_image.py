"""`connectors migrate_to_base_image`: from a Dockerfile to the latest base image."""

import json
from datetime import UTC, datetime

import click

from airbyte_ci.base_images import catalogue
from airbyte_ci.campaigns import migrate
from airbyte_ci.campaigns.migrate import Migration, NotApplicable
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.outcomes import Outcome, exit_code
from airbyte_ci.reports import terminal


@click.command("migrate_to_base_image")
@click.argument("pull_request", type=click.IntRange(min=1), required=False, metavar="[PR_NUMBER]")
@click.option("--pull-request-number", type=click.IntRange(min=1), help="The same as the argument.")
@click.option("--dry-run", is_flag=True, help="Print the diff, change nothing.")
@click.option("--changelog-text", default=migrate.SUBJECT, help="What the changelog entry says.")
@with_selection
def migrate_to_base_image(
    settings: Settings,
    asked: Asked,
    pull_request: int | None,
    pull_request_number: int | None,
    dry_run: bool,
    changelog_text: str,
) -> int:
    """Remove the Dockerfile, name the latest base image, bump the version and add the changelog entry."""
    fleet = fleets.load_for_change(settings, asked, "migrate")
    base_images = catalogue.load(fleet.configuration.catalogue_path)
    outcomes = []
    for connector in fleet.connectors:
        try:
            plan = migrate.plan(
                connector,
                fleet.configuration,
                base_images,
                pull_request or pull_request_number,
                datetime.now(UTC).date(),
                changelog_text,
            )
            if not dry_run:
                plan.edit.apply(fleet.configuration.root)
            outcome = _outcome(connector, plan, dry_run=dry_run)
        except NotApplicable as error:
            named = connector.name in asked.selection.names
            outcome = Outcome(connector.name, "failed" if named else "skipped", reason=str(error))
        except AirbyteCiError as error:
            outcome = Outcome(connector.name, "failed", reason=error.message, advice=error.advice or "")
        outcomes.append(outcome)
        if settings.as_json:
            click.echo(json.dumps(outcome.to_json(), ensure_ascii=False))
        else:
            if dry_run and "diff" in outcome.facts:
                click.echo(outcome.facts["diff"], nl=False)
            click.echo(terminal.outcome(outcome), err=dry_run)
    if not settings.as_json and len(outcomes) > 1:
        click.echo(terminal.count(outcomes, "migrated"), err=dry_run)
    return exit_code(outcomes)


def _outcome(connector: Connector, plan: Migration, *, dry_run: bool) -> Outcome:
    base = f"{plan.base.address.name} {plan.base.version}"
    passed = "".join(f"; {item.version} {reason}" for item, reason in plan.passed_over)
    details = [_changes(connector, plan)]
    details += [f"! not carried over: {', '.join(plan.not_carried)}"] if plan.not_carried else []
    if plan.not_carried:
        details.append("  what the image needs of it goes into build_customization.py, which its owners must approve")
    if plan.pending_row:
        details.append("! no changelog entry: give the pull request number to write it")
    add = f"airbyte-ci connectors --name={connector.name} build && git add -A && git commit"
    return Outcome(
        connector.name,
        "ok",
        f"{plan.before} → {plan.after} on {base} (newest for Python {plan.pythons.text}{passed})",
        advice="" if dry_run else add,
        details=tuple(details),
        facts={
            "from": plan.before,
            "to": plan.after,
            "baseImage": str(plan.base.address),
            "notCarriedOver": list(plan.not_carried),
            "files": [path for path, _, _ in plan.edit.counts()],
            **({"diff": plan.edit.diff()} if dry_run else {}),
        },
    )


def _changes(connector: Connector, plan: Migration) -> str:
    removed = {change.path for change in plan.edit.changes if change.after is None}
    parts = []
    for path, added, deleted in plan.edit.counts():
        short = path.removeprefix(f"{connector.relative}/")
        if path in removed:
            parts.append(f"− {short}")
        else:
            numbers = [f"+{added}" if added else "", f"−{deleted}" if deleted else ""]
            parts.append(f"~ {short} {' '.join(number for number in numbers if number)}")
    return "  ".join(parts)
