"""The `connectors` group: selection, and its commands."""

from collections.abc import Mapping
from typing import Any

import click

from airbyte_ci.cli.compatibility import compatible_options
from airbyte_ci.cli.lazy import LazyGroup
from airbyte_ci.cli.options import Asked, GroupState, selected, selection_options
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.select import Selection

_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "list": ("airbyte_ci.cli.list_connectors", "list_connectors", "Show connectors and their base images."),
    "migrate_to_base_image": (
        "airbyte_ci.cli.migrate_to_base_image",
        "migrate_to_base_image",
        "Replace a Dockerfile by the latest base image.",
    ),
    "upgrade_base_image": (
        "airbyte_ci.cli.upgrade_base_image",
        "upgrade_base_image",
        "Move to a newer (or another) base image.",
    ),
    "bump_version": ("airbyte_ci.cli.bump_version", "bump_version", "Bump versions, with their changelog entries."),
    "upgrade_dependencies": (
        "airbyte_ci.cli.upgrade_dependencies",
        "upgrade_dependencies",
        "Refresh locks, by poetry or uv.",
    ),
    "build": ("airbyte_ci.cli.build_connectors", "build_connectors", "Build images, without a Dockerfile."),
    "lock": (
        "airbyte_ci.cli.lock_connectors",
        "lock_connectors",
        "Write pylock.toml where there is no lock.",
    ),
    "approve_customization": (
        "airbyte_ci.cli.approve_customization",
        "approve_customization",
        "Write what a customisation changes, for its owners.",
    ),
    "eject": ("airbyte_ci.cli.eject", "eject", "Print the Dockerfile that does the same."),
    "environment": ("airbyte_ci.cli.environment", "environment", "Show what will be installed, and why."),
    "test": ("airbyte_ci.cli.test_connectors", "test_connectors", "Build and test in the image, as CI does."),
    "check": ("airbyte_ci.cli.check_connectors", "check_connectors", "Check the definition of done, as CI does."),
    "run": (
        "airbyte_ci.cli.run_connector",
        "run_connector",
        "Run a built image: spec, check, discover, read.",
    ),
}
# What the original called otherwise, or had beside these.
_INSTEAD: Mapping[str, str] = {
    "up-to-date": "upgrade_base_image and upgrade_dependencies do what it did.",
    "upgrade-cdk": "upgrade_dependencies moves the CDK as it moves the other packages.",
    "pull-request": "Each command that changes connectors takes --pull-request.",
    "publish": "`build --output=registry:HOST` publishes.",
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, instead=_INSTEAD)
@selection_options
@compatible_options
@click.pass_obj
@click.pass_context
def connectors(ctx: click.Context, settings: Settings, /, **options: Any) -> None:
    """List, migrate, build and run connectors.

    Kinds of filter are AND-ed, values of one kind OR-ed. Inside a connector's folder, that connector is selected.
    """
    before = Asked(Selection(diffed_branch=settings.diffed_branch))
    ctx.obj = GroupState(settings, selected(options, before))
