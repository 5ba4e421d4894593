"""`connectors vulnerabilities`: lists the known vulnerabilities of images, and who can fix each."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from airbyte_ci.app import App
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli.connectors import bills
from airbyte_ci.cli.connectors.bills import Inspected
from airbyte_ci.cli.options import SelectionOptions, with_selection
from airbyte_ci.cli.platforms import platform_option
from airbyte_ci.cli.report_file import write_report
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.oci.image import Platform

if TYPE_CHECKING:  # slow to import
    from airbyte_ci.attest.vulnerabilities.examine_images import ExaminedImage

_FILE = click.Path(exists=True, path_type=Path)


@click.command("vulnerabilities")
@click.argument("subjects", nargs=-1, metavar="[NAME|IMAGE]...")
@click.option("--db", "database", type=_FILE, metavar="FILE|DIR", help="Search OSV advisories: a zip, folder or JSON.")
@click.option("--report", type=_FILE, metavar="FILE", help="Attribute the JSON of Grype, Trivy or OSV-Scanner.")
@click.option(
    "--fail-on",
    type=click.Choice(["critical", "high", "medium", "low", "never"]),
    default="high",
    show_default=True,
    help="Exit with 1 if a vulnerability is at least this severe; unrated ones are treated as low.",
)
@click.option("--fixable", is_flag=True, help="Leave out vulnerabilities that no version fixes yet.")
@platform_option("Examine the images")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Also write an HTML page."
)
@with_selection
def vulnerabilities(
    settings: Settings,
    asked: SelectionOptions,
    *,
    subjects: tuple[str, ...],
    database: Path | None,
    report: Path | None,
    fail_on: str,
    fixable: bool,
    platform: Platform,
    html: Path | None,
) -> int:
    """List the known vulnerabilities of built connectors or other images, and what fixes each.

    Findings are attributed to the base image, the framework (airbyte-cdk and its requirements), the connector or its
    build customization. Nothing is downloaded: --db is a local copy of osv.dev's advisories, and --report is the result
    of a scanner. A base image version that fixes a finding is named if the store has it.
    """
    if (database is None) == (report is None):
        raise UsageError("vulnerabilities needs --db or --report, and not both", advice="--db osv.zip")
    selected = bills.select(settings, asked, subjects, "examine")
    if report and len(selected.subjects) != 1:
        raise UsageError(
            f"--report is about one image, but {len(selected.subjects)} are selected",
            advice="name one connector or image",
        )
    from airbyte_ci.attest.vulnerabilities import examine_images
    from airbyte_ci.attest.vulnerabilities.finding import is_at_least
    from airbyte_ci.attest.vulnerabilities.scanner_report import read_report
    from airbyte_ci.reports import vulnerabilities as text

    parsed = read_report(report) if report else None
    with workbench.open_app(settings, selected.configuration, len(selected.subjects)) as (app, _):
        images, failed = _prepare(app, selected, platform)
    results = [examine_images.by_report(image, parsed) for image in images] if parsed else []
    if database and images:
        results = list(examine_images.by_database(images, database))
    if fixable:
        results = [replace(item, findings=tuple(found for found in item.findings if found.fixed)) for item in results]
    severe = False
    for image, result in zip(images, results, strict=True):
        shown = result.findings
        severe |= fail_on != "never" and any(is_at_least(item.severity, fail_on) for item in shown)
        if settings.as_json:
            console.document(
                {
                    "subject": image.name,
                    "image": image.bill.root.version,
                    "platform": str(image.bill.platform),
                    "findings": [item.to_json() for item in shown],
                    "notChecked": list(result.notes),
                }
            )
        else:
            console.block(text.text(image.name, shown, result.notes))
    if html:
        from airbyte_ci.reports import vulnerabilities_page

        by_name = {image.name: result for image, result in zip(images, results, strict=True)}
        write_report(html, vulnerabilities_page.html(by_name), make_folders=True)
    return int(severe or failed)


def _prepare(app: App, selected: Inspected, platform: Platform) -> "tuple[list[ExaminedImage], bool]":
    """Returns the images with their bills, and whether one could not be read."""
    from airbyte_ci.attest.vulnerabilities import examine_images
    from airbyte_ci.attest.vulnerabilities.newer_bases import NewerBases
    from airbyte_ci.base_images.catalog import catalog

    bases = NewerBases(catalog.load(selected.configuration.catalog_path))
    images, failed = [], False
    for subject in selected.subjects:
        name = subject.name if isinstance(subject, Connector) else subject
        try:
            tools = app.tools(name)
            bill = bills.bill_of(subject, selected.configuration, tools, platform)
            connector = subject.name if isinstance(subject, Connector) else ""
            images.append(examine_images.prepare(tools, name, connector, bill, bases))
        except AirbyteCiError as error:
            if len(selected.subjects) == 1:
                raise
            console.error(f"{name} {error}")
            failed = True
    return images, failed
