"""The `base-images` group."""

from collections.abc import Mapping

import click

from airbyte_ci.cli.lazy import LazyGroup

_MODULE = "airbyte_ci.cli.base_images"
_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "list": (f"{_MODULE}.list", "list_base_images", "List the known versions and how many connectors use them."),
    "users": (f"{_MODULE}.users", "users_of_base_image", "List the connectors on a version."),
    "build": (f"{_MODULE}.build", "build_base_image", "Build a base image, or rebuild a released version."),
    "check": (f"{_MODULE}.check", "check_base_image", "Check a base image, also with connectors built on it."),
    "diff": (f"{_MODULE}.diff", "diff_base_images", "Compare two base images without running them."),
    "release": (f"{_MODULE}.release", "release_base_image", "Build a version, lock its inputs and record it."),
    "publish": (f"{_MODULE}.publish", "publish_base_image", "Push a released version to its registry."),
    "yank": (f"{_MODULE}.yank", "yank_base_image", "Withdraw a version."),
    "refresh": (f"{_MODULE}.refresh", "refresh_catalog", "Update the catalog from registries."),
    "docs": (f"{_MODULE}.docs", "write_page", "Write the documentation page of each base image."),
}


@click.group("base-images", cls=LazyGroup, lazy=_COMMANDS)
def base_images() -> None:
    """List, build, check, release and withdraw base images."""
