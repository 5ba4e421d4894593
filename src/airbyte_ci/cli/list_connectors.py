"""`connectors list`: where the fleet stands."""

import json
import sys
from pathlib import Path

import click

from airbyte_ci.base_images import catalogue
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError
from airbyte_ci.reports import listing

_FORMATS = ("table", "names", "json")


@click.command("list")
@click.option("--format", "format_", type=click.Choice(_FORMATS), default=None, help="Default: table.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to a file; JSON unless --format is given.")
@with_selection
def list_connectors(settings: Settings, asked: Asked, format_: str | None, output: Path | None) -> int:
    """Show connectors with their language, support level, version and base image."""
    fleet = fleets.load(settings, asked)
    base_images = catalogue.load(fleet.configuration.catalogue_path)
    rows = [listing.row(connector, base_images) for connector in fleet.connectors]
    kind = format_ or ("json" if settings.as_json or output else "table")
    if kind == "json":
        text = json.dumps([item.to_json() for item in rows], indent=2, ensure_ascii=False) + "\n"
    elif kind == "names":
        text = "".join(f"{item.name}\n" for item in rows)
    else:
        text = listing.table(rows, fleet.total, color=sys.stdout.isatty())
    _put(text, output)
    fleets.tell_unreadable(fleet)
    return 1 if fleet.unreadable else 0


def _put(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"writing {output}: {error.strerror}") from error
