"""A connector with a change applied, in a temporary folder: the user's files stay unchanged."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airbyte_ci.connectors import find, leftovers
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.connectors.neighborhood import empty_place
from airbyte_ci.edits.edit import Edit


@contextmanager
def overlay(connector: Connector, root: Path, edit: Edit) -> Iterator[Connector]:
    """Returns the connector with the part of the edit that is in its folder. Neighboring folders are linked, so that
    its lock may name other folders of the repository.
    """
    with empty_place(root, connector.relative) as (copy, folder):
        source = root / connector.relative
        shutil.copytree(source, folder, symlinks=True, dirs_exist_ok=True, ignore=_ignored)
        prefix = "" if connector.relative == "." else f"{connector.relative}/"
        Edit(tuple(item for item in edit.changes if item.path.startswith(prefix))).apply(copy)
        yield find.read(folder, copy)


def _ignored(_: str, names: list[str]) -> set[str]:
    return {*names} & leftovers.FOLDERS
