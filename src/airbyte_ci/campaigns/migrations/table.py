"""The table of migrations. Each has one line here, and one module of its name in this package."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the list of commands needs the names, and no planner
    from airbyte_ci.campaigns.migrations.migration import Migration

# In the order in which `connectors --help` lists them.
MIGRATIONS: Mapping[str, str] = {
    "migrate_to_base_image": "Replace Dockerfiles with the latest base image.",
    "migrate_to_manifest_only": "Make low-code Python connectors manifests without Python code.",
    "upgrade_base_image": "Move connectors to a newer (or another) base image.",
    "bump_version": "Bump versions and add changelog entries.",
    "upgrade_dependencies": "Upgrade the packages in lock files.",
}


def load(name: str) -> "Migration[Any]":
    """Imports the module of a migration in the table."""
    migration: Migration[Any] = importlib.import_module(f"{__package__}.{name}").MIGRATION
    return migration
