"""The `connectors` group: selection, and its commands."""

from collections.abc import Mapping

import click

from airbyte_ci.cli.lazy import LazyGroup
from airbyte_ci.cli.options import Asked, GroupState, selected, selection_options
from airbyte_ci.cli.settings import Settings

_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "list": ("airbyte_ci.cli.list_connectors", "list_connectors", "Show connectors and their base images."),
    "migrate_to_base_image": (
        "airbyte_ci.cli.migrate_to_base_image",
        "migrate_to_base_image",
        "Replace a Dockerfile by the latest base image.",
    ),
    "build": ("airbyte_ci.cli.build_connectors", "build_connectors", "Build images, without a Dockerfile."),
    "environment": ("airbyte_ci.cli.environment", "environment", "Show what will be installed, and why."),
    "run": (
        "airbyte_ci.cli.run_connector",
        "run_connector",
        "Run a built image: spec, check, discover, read.",
    ),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
@selection_options
@click.pass_obj
@click.pass_context
def connectors(
    ctx: click.Context,
    settings: Settings,
    names: tuple[str, ...],
    languages: tuple[str, ...],
    support_levels: tuple[str, ...],
    query: str | None,
    everything: bool,
) -> None:
    """List, migrate, build and run connectors.

    Kinds of filter are AND-ed, values of one kind OR-ed. Inside a connector's folder, that connector is selected.
    """
    ctx.obj = GroupState(settings, selected(names, languages, support_levels, query, everything, Asked()))
