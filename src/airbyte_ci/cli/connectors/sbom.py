"""`connectors sbom`: prints the bill of materials of a built connector or of any image."""

from pathlib import Path

import click

from airbyte_ci.cli import console, workbench
from airbyte_ci.cli.connectors import bills
from airbyte_ci.cli.options import SelectionOptions, with_selection
from airbyte_ci.cli.platforms import platform_option
from airbyte_ci.cli.report_file import write_report
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError
from airbyte_ci.oci.image import Platform


@click.command("sbom")
@click.argument("name", required=False, metavar="[NAME|IMAGE]")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["cyclonedx", "spdx"]),
    default="cyclonedx",
    show_default=True,
    help="Write CycloneDX 1.6 or SPDX 2.3, in JSON.",
)
@platform_option("Describe the image")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the document to this file instead of printing it.",
)
@with_selection
def sbom(
    settings: Settings,
    asked: SelectionOptions,
    *,
    name: str | None,
    format_: str,
    platform: Platform,
    output: Path | None,
) -> int:
    """Print the software bill of materials of an image: every package with its version, hash, license and origin.

    NAME is a connector, whose built image is described as `publish` attaches it. IMAGE is an archive (docker save, OCI
    layout), a name in the store or an address in a registry. No scanner runs: the build plan and the image's layers
    name the packages. The same image gives the same document.
    """
    found = bills.select(settings, asked, (name,) if name else (), "describe")
    if len(found.subjects) != 1:
        raise UsageError(
            f"sbom describes one image, but {len(found.subjects)} connectors are selected",
            advice="name one: airbyte-ci connectors sbom NAME",
        )
    (subject,) = found.subjects
    shown = subject.name if isinstance(subject, Connector) else subject
    with workbench.open_app(settings, found.configuration) as (app, _):
        tools = app.tools(shown)
        from airbyte_ci.attest.sbom import attachments

        bill = bills.bill_of(subject, found.configuration, tools, platform)
        document = attachments.FORMATS[format_].write(bill).decode()
    for path in bill.unread:
        console.line(f"! the SBOM is incomplete: the packages in /{path} are not read", err=True)
    if output:
        write_report(output, document)
    else:
        console.content(f"{document}\n")
    return 0
