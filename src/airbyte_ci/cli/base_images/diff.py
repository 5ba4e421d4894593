"""`base-images diff`: compares two base images without running them."""

from pathlib import Path

import click

from airbyte_ci import text
from airbyte_ci.base_images.inspection import contents, difference, osv
from airbyte_ci.base_images.inspection.difference import Difference, Side
from airbyte_ci.base_images.inspection.osv import Comparison
from airbyte_ci.cli import console
from airbyte_ci.cli.base_images import bench as benches
from airbyte_ci.cli.base_images.bench import Bench
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.platforms import platform_option
from airbyte_ci.cli.report_file import write_report
from airbyte_ci.cli.settings import Settings
from airbyte_ci.oci.image import Platform
from airbyte_ci.reports import base_images_diff as report


@click.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@platform_option("Compare the images")
@click.option(
    "--vulnerabilities",
    "database",
    type=click.Path(exists=True, path_type=Path),
    help="List fixed, introduced and remaining vulnerabilities by this OSV database (zip, folder or JSON).",
)
@click.option("--files", "show_files", is_flag=True, help="List every file instead of counting files by folder.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "markdown", "json"]),
    default=None,
    help="Choose the output format (default: text).",
)
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Also write an HTML page."
)
@json_option
@click.pass_obj
def diff_base_images(
    settings: Settings,
    before: str,
    after: str,
    platform: Platform,
    database: Path | None,
    *,
    show_files: bool,
    format_: str | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Compare two versions, addresses or declarations: packages, distributions, files, users, layers.

    The exit code is 0 whether or not they differ.
    """
    settings = settings.also(as_json=as_json)
    with benches.opened(settings, f"{before} → {after}") as bench:
        sides = [side(bench, text, platform) for text in (before, after)]
    found = difference.between(*sides)
    known = osv.compare(database, sides[0].contents, sides[1].contents) if database else None
    console.block(_shown(found, known, format_ or ("json" if settings.as_json else "text"), show_files=show_files))
    if html:
        from airbyte_ci.reports import base_images_diff_page

        write_report(html, base_images_diff_page.html(found, known), make_folders=True)
    return 0


def side(bench: Bench, text: str, platform: Platform) -> Side:
    """Returns one of the two images with its inventory and files."""
    name, _, image = benches.image_of(bench, text, platform)
    bench.work.say(f"listing the contents of {name}")
    held = contents.of(bench.store, image)
    return Side(name, image, held, contents.files(bench.store, held))


def _shown(found: Difference, known: Comparison | None, kind: str, *, show_files: bool) -> str:
    if kind == "json":
        document = found.to_json() | ({"vulnerabilities": known.to_json()} if known else {})
        return text.dump_json(document) + "\n"
    return report.markdown(found, known) if kind == "markdown" else report.text(found, known, files=show_files)
