"""The table of migrations."""

import pkgutil

import pytest

from airbyte_ci.campaigns import migrations
from airbyte_ci.campaigns.migrations import table
from airbyte_ci.campaigns.migrations.migration import Migration


@pytest.mark.parametrize("name", table.MIGRATIONS)
def test_each_line_of_the_table_is_a_migration(name: str) -> None:
    """The module of that name holds a migration with that ID."""
    migration = table.load(name)
    assert isinstance(migration, Migration)
    assert migration.id == name


def test_no_migration_is_left_out_of_the_table() -> None:
    """Every module of the package that holds a migration has its line."""
    modules = {item.name for item in pkgutil.iter_modules(migrations.__path__)}
    assert modules - {"migration", "option", "table"} == {*table.MIGRATIONS}
