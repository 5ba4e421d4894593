"""The `base-images` group."""

from collections.abc import Mapping

import click

from airbyte_ci.cli.lazy import LazyGroup

_MODULE = "airbyte_ci.cli.base_images"
_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "list": (f"{_MODULE}_list", "list_base_images", "Show the known versions and who uses them."),
    "users": (f"{_MODULE}_users", "users_of_base_image", "Show the connectors on a version."),
    "build": (f"{_MODULE}_build", "build_base_image", "Build a base image, or a released one again."),
    "check": (f"{_MODULE}_check", "check_base_image", "Check a base image as connectors would use it."),
    "diff": (f"{_MODULE}_diff", "diff_base_images", "Compare two base images without running them."),
    "release": (f"{_MODULE}_release", "release_base_image", "Lock a version's inputs and put it on record."),
    "publish": (f"{_MODULE}_publish", "publish_base_image", "Push a released version to its registry."),
    "yank": (f"{_MODULE}_yank", "yank_base_image", "Withdraw a version."),
    "refresh": (f"{_MODULE}_refresh", "refresh_catalogue", "Read versions from a registry into the catalogue."),
    "docs": (f"{_MODULE}_docs", "write_page", "Write the page of a base image's versions."),
}


@click.group("base-images", cls=LazyGroup, lazy=_COMMANDS)
def base_images() -> None:
    """Declare, build, check, release and withdraw what connectors stand on."""
