"""`connectors compare`: compares two images of a connector, fact by fact."""

from pathlib import Path

import click

from airbyte_ci.attest.compare.compare import compare_images
from airbyte_ci.attest.compare.find_image import find_image
from airbyte_ci.campaigns.proof.previous_image import of_commit
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.behavior_options import RequestedBehavior, with_behavior
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.options import SelectionOptions, with_selection
from airbyte_ci.cli.platforms import platform_option
from airbyte_ci.cli.report_file import write_report
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connector_tests import secrets
from airbyte_ci.connector_tests.behavior.compare import add_behavior
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError
from airbyte_ci.git import history
from airbyte_ci.images import naming
from airbyte_ci.oci.image import Platform
from airbyte_ci.reports import comparison as report


@click.command("compare")
@click.argument("images", nargs=-1, metavar="[OLD] [NEW]")
@click.option(
    "--old-dockerfile",
    is_flag=True,
    help="Build OLD with docker from the connector's Dockerfile at the merge base, instead of naming it.",
)
@click.option(
    "--old-base", metavar="IMAGE", help="Name the base image of OLD (default: the one in OLD's annotations, if any)."
)
@click.option(
    "--new-base", metavar="IMAGE", help="Name the base image of NEW (default: the one in NEW's annotations, if any)."
)
@platform_option("Compare the images")
@click.option("--no-run", is_flag=True, help="Only read the images, and run neither.")
@with_behavior(
    config="Also compare check, discover, and two reads, with this configuration of the connector.",
    catalog="default: all streams of OLD",
)
@click.option("--expected", "show_all", is_flag=True, help="List every expected difference instead of counting them.")
@click.option(
    "--markdown",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a Markdown report, for a pull request or a job summary.",
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write an HTML page.")
@with_selection
def compare(
    settings: Settings,
    asked: SelectionOptions,
    images: tuple[str, ...],
    old_base: str | None,
    new_base: str | None,
    platform: Platform,
    *,
    no_run: bool,
    behavior: RequestedBehavior,
    old_dockerfile: bool,
    show_all: bool,
    markdown: Path | None,
    html: Path | None,
) -> int:
    """Compare two images of a connector: is it still the same connector?

    OLD and NEW are archives (docker save, OCI layout), names in the store or addresses in a registry. Without NEW, the
    built image of the selected connector is compared. Both images run `spec`; with --config also check, discover and
    read. The exit code is 1 if something was lost, or differs without an explanation.
    """
    if no_run and behavior.config:
        raise UsageError("--no-run excludes --config, which runs both images")
    if not behavior.config and behavior.needs_config:
        raise UsageError(
            "--catalog, --state, --live and --ignore-parameter need a configuration", advice="add --config"
        )
    fleet = _select(settings, asked, images, old_dockerfile=old_dockerfile)
    configuration = fleet.configuration if fleet else workbench.find_configuration(settings)
    with workbench.open_app(settings, configuration) as (app, _):
        tools = app.tools("comparison")
        names = list(images)
        if fleet and len(names) + old_dockerfile < 2:
            names.append(_built_name(fleet.connectors[0]))
        if fleet and old_dockerfile:
            connector, root = fleet.connectors[0], configuration.root
            commit = history.fork_point_if_known(root, asked.selection.diffed_branch)
            if commit is None:
                raise UsageError(f"--old-dockerfile needs the history of {root}: it has no commit in git")
            old = of_commit(tools, connector, root, commit, platform, old_base)
        else:
            old = find_image(tools, names[0], platform, old_base)
        new = find_image(tools, names[-1], platform, new_base)
        tools.say("reading the contents of both images")
        found = compare_images(tools.store, old, new)
        if not no_run:
            given = secrets.Secrets(configuration=behavior.config)
            options = behavior.options(behavior.inputs(given) if behavior.config else None)
            found = add_behavior(found, old.image, new.image, tools, options)
    if settings.as_json:
        console.document(found.to_json())
    else:
        console.block(report.text(found, show_all=show_all))
    if markdown:
        write_report(markdown, report.markdown(found))
    if html:
        from airbyte_ci.reports import comparison_page  # slow to import, because of Jinja2

        write_report(html, comparison_page.html(found), make_folders=True)
    return int(found.has_failures)


def _select(
    settings: Settings, asked: SelectionOptions, images: tuple[str, ...], *, old_dockerfile: bool
) -> Fleet | None:
    """Returns the fleet of one connector, whose Dockerfile or built image is compared.

    Returns None if both images are named. Raises UsageError.
    """
    number = len(images) + old_dockerfile
    if number == 2 and not old_dockerfile:
        return None
    if number not in (1, 2):
        raise UsageError(
            f"compare takes two images, but got {number}",
            advice="airbyte-ci connectors compare OLD NEW, or --name=CONNECTOR compare OLD",
        )
    fleet = fleets.load_for_change(settings, asked, "compare")
    if len(fleet.connectors) != 1:
        raise UsageError(
            f"compare takes one connector, but {len(fleet.connectors)} are selected", advice="select one with --name"
        )
    return fleet


def _built_name(connector: Connector) -> str:
    return f"{connector.image_repository}:{naming.tag('dev', connector)}"
