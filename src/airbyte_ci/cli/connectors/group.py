"""The `connectors` group: selection, and its commands."""

from collections.abc import Mapping

import click

from airbyte_ci.campaigns.migrations.table import MIGRATIONS
from airbyte_ci.cli.compatibility import compatible_options
from airbyte_ci.cli.lazy import LazyGroup
from airbyte_ci.cli.options import GroupState, SelectionOptions, selected, selection_options
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.select import Selection

_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "list": ("airbyte_ci.cli.connectors.list", "list_connectors", "List connectors and their base images."),
    **{name: ("airbyte_ci.cli.changes.migration", "make_command", summary) for name, summary in MIGRATIONS.items()},
    "build": ("airbyte_ci.cli.connectors.build", "build_connectors", "Build images without a Dockerfile."),
    "lock": (
        "airbyte_ci.cli.connectors.lock",
        "lock_connectors",
        "Write pylock.toml for connectors without a lock file.",
    ),
    "eject": ("airbyte_ci.cli.connectors.eject", "eject", "Print an equivalent Dockerfile."),
    "environment": (
        "airbyte_ci.cli.connectors.environment",
        "environment",
        "Show which packages an image will contain, and why.",
    ),
    "test": ("airbyte_ci.cli.connectors.test", "test_connectors", "Build connectors and test them in their images."),
    "publish": (
        "airbyte_ci.cli.connectors.publish",
        "publish_connectors",
        "Publish releases with documents about their contents.",
    ),
    "check": ("airbyte_ci.cli.connectors.check", "check_connectors", "Check connectors against the migration rules."),
    "compare": (
        "airbyte_ci.cli.connectors.compare",
        "compare",
        "Compare two images: is it still the same connector?",
    ),
    "vulnerabilities": (
        "airbyte_ci.cli.connectors.vulnerabilities",
        "vulnerabilities",
        "List known vulnerabilities of images, and who can fix each.",
    ),
    "sbom": ("airbyte_ci.cli.connectors.sbom", "sbom", "Print the software bill of materials of an image."),
    "run": (
        "airbyte_ci.cli.connectors.run",
        "run_connector",
        "Run a built image: spec, check, discover or read.",
    ),
}
# Commands of the original airbyte-ci that have another name here, or none.
_INSTEAD: Mapping[str, str] = {
    "generate-erd": "airbyte-ci draws no diagrams.",
    "migrate-to-inline-schemas": "Use migrate_to_manifest_only, which inlines the schemas.",
    "migrate-to-poetry": "Locks of poetry, uv, PEP 751 and pip are installed as they are; `lock` writes a first one.",
    "up-to-date": "Use upgrade_base_image and upgrade_dependencies instead.",
    "upgrade-cdk": "Use upgrade_dependencies, which also upgrades the CDK.",
    "pull-request": "Every command that changes connectors takes --pull-request.",
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, instead=_INSTEAD)
@selection_options
@compatible_options
@click.pass_obj
@click.pass_context
def connectors(ctx: click.Context, settings: Settings, /, **options: object) -> None:
    """List, migrate, build, test and run connectors.

    Filters of different kinds are combined with AND, values of one kind with OR. Inside a connector's folder, that
    connector is selected by default.
    """
    before = SelectionOptions(selection=Selection(diffed_branch=settings.diffed_branch))
    ctx.obj = GroupState(settings, selected(options, before))
