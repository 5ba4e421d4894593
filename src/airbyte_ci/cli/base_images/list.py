"""`base-images list`: lists the known versions and how many connectors use each."""

import click

from airbyte_ci import app, config
from airbyte_ci.base_images.catalog import catalog, usage
from airbyte_ci.cli import console
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import SelectionOptions, json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError
from airbyte_ci.reports import base_images as report


@click.command("list")
@click.option(
    "--repository", metavar="NAME", help="List only versions of this repository; the end of its name is enough."
)
@click.option("--used", is_flag=True, help="List only versions that a connector uses.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "yaml", "json"]),
    default=None,
    help="Choose the output format (default: table). yaml prints the lines to paste into metadata.yaml.",
)
@json_option
@click.pass_obj
def list_base_images(
    settings: Settings, repository: str | None, *, used: bool, format_: str | None, as_json: bool
) -> int:
    """List the versions in the catalog, newest first, and how many connectors use each."""
    settings = settings.also(as_json=as_json)
    configuration = config.find(settings.repo)
    known = catalog.load(configuration.catalog_path)
    fleet = fleets.load(settings, SelectionOptions(everything=True), may_be_empty=True)
    users = usage.users(known, ((item.name, item.base_image) for item in fleet.connectors))
    versions = [item for item in known.versions if _of(item.repository, repository)]
    if repository and not versions:
        raise UsageError(f"the catalog has no repository {repository!r}", advice="airbyte-ci base-images list")
    if used:
        versions = [item for item in versions if users.get((item.repository, item.version))]
    today = app.today()
    match format_ or ("json" if settings.as_json else "table"):
        case "json":
            rows = [report.document(item, users, today) for item in versions]
            console.document(rows, indent=2)
        case "yaml":
            console.block(catalog.pasted(versions, today))
        case _:
            elsewhere = sum(1 for item in fleet.connectors if item.base_image and not known.find(item.base_image))
            console.block(report.table(versions, users, today, elsewhere, console.width()))
    return 0


def _of(repository: str, wanted: str | None) -> bool:
    return wanted is None or f"/{repository}".endswith(f"/{wanted}")
