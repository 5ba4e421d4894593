"""The table of migrations."""

import pkgutil

import pytest

from airbyte_ci.campaigns import migrations
from airbyte_ci.campaigns.migrations import table
from airbyte_ci.campaigns.migrations.migration import Migration
from airbyte_ci.cli.changes.migration import make_command


@pytest.mark.parametrize("name", table.MIGRATIONS)
def test_each_line_of_the_table_is_a_migration(name: str) -> None:
    """The module of that name holds a migration with that ID."""
    migration = table.load(name)
    assert isinstance(migration, Migration)
    assert migration.id == name


@pytest.mark.parametrize("name", table.MIGRATIONS)
def test_own_options_never_hide_shared_ones(name: str) -> None:
    """Each option and argument of a migration's command has a name and spellings of its own."""
    params = make_command(name).params
    spellings = [spelling for param in params for spelling in (*param.opts, *param.secondary_opts)]
    assert len({param.name for param in params}) == len(params)
    assert len({*spellings}) == len(spellings)


def test_no_migration_is_left_out_of_the_table() -> None:
    """Every module of the package that holds a migration has its line."""
    modules = {item.name for item in pkgutil.iter_modules(migrations.__path__)}
    assert modules - {"migration", "option", "table"} == {*table.MIGRATIONS}
