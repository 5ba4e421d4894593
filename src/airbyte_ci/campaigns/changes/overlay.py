"""A connector with a change applied, in a temporary folder: the user's files stay unchanged."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airbyte_ci.connectors import find, leftovers
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.edit import Edit


@contextmanager
def overlay(connector: Connector, root: Path, edit: Edit) -> Iterator[Connector]:
    """Returns the connector with the part of the edit that is in its folder. Neighboring folders are linked, so that
    its lock may name other folders of the repository.
    """
    with tempfile.TemporaryDirectory(prefix="airbyte-ci-try-") as name:
        copy = Path(name).resolve()
        folder, source = copy, root
        for part in Path(connector.relative).parts:
            _link(source, folder, besides=part)
            folder, source = folder / part, source / part
            folder.mkdir()
        shutil.copytree(source, folder, symlinks=True, dirs_exist_ok=True, ignore=_ignored)
        prefix = "" if connector.relative == "." else f"{connector.relative}/"
        Edit(tuple(item for item in edit.changes if item.path.startswith(prefix))).apply(copy)
        yield find.read(folder, copy)


def _link(source: Path, folder: Path, *, besides: str) -> None:
    for item in source.iterdir():
        if item.name not in (besides, ".git"):
            (folder / item.name).symlink_to(item)


def _ignored(_: str, names: list[str]) -> set[str]:
    return {*names} & leftovers.FOLDERS
