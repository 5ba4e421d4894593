"""The commit of a release, and the files of the release that differ from it.

A file that git ignores differs too if it shapes the image: nobody else has it.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from airbyte_ci.attest import gather
from airbyte_ci.attest.subject import SourceState
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find, folder_files
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError
from airbyte_ci.git import commits
from airbyte_ci.images.code_places import code_places


def read_source(connector: Connector, configuration: Configuration) -> SourceState:
    """Returns the commit and the uncommitted files of a connector; raises ConnectorError without a commit."""
    root = configuration.root
    places = [connector.folder, configuration.catalog_path, find.documentation(connector, configuration)]
    state = gather.source_state(root, _below(root, [place for place in places if place and place.exists()]))
    if state is None:
        raise ConnectorError(
            f"cannot publish {connector.name}: {connector.folder} is not in a git commit",
            advice="commit it, so that the release can name its source",
            error_id="git-repository-missing",
        )
    return replace(state, changes=tuple(sorted({*state.changes, *_ignored(connector, root)})))


def read_again(
    before: SourceState, connector: Connector, configuration: Configuration, folders: Sequence[str]
) -> SourceState:
    """Returns the state after a build, with other folders that the build read. Files may have changed meanwhile.

    Raises ConnectorError if another commit was checked out.
    """
    state = read_source(connector, configuration)
    if state.commit != before.commit:
        raise ConnectorError(
            f"cannot publish {connector.name}: commit {state.commit[:12]} was checked out while {before.commit[:12]} "
            "was built",
            advice="publish again",
        )
    return add_folders(state, configuration.root, folders)


def add_folders(state: SourceState, root: Path, folders: Sequence[str]) -> SourceState:
    """Adds the uncommitted files of other folders that a build read."""
    # A build also reads git's own index, to know the files of a folder.
    places = [Path(folder) for folder in folders if ".git" not in Path(folder).parts]
    if not places:
        return state
    found = commits.uncommitted_files(root, _below(root, places))
    return replace(state, changes=tuple(sorted({*state.changes, *found})))


def _below(root: Path, places: Sequence[Path]) -> list[str]:
    """Returns paths relative to the root: git may see the root under another name, through a symbolic link."""
    return [os.path.relpath(place, root) for place in places]


def _ignored(connector: Connector, root: Path) -> set[str]:
    """Returns files that git ignores and that shape the image, by path below the root."""
    code = code_places(connector)
    named = [connector.folder / name for name in gather.SHAPING_FILES if name in connector.names]
    places = [place for place in (*code, *named) if place.exists()]
    ignored = commits.ignored_files(root, _below(root, places))
    if not ignored:
        return set()
    walked = (item for place in code if place.is_dir() for item in folder_files.walk(place) if not item.is_folder)
    shaping = [*(item.disk for item in walked), *(place for place in places if place.is_file())]
    return {*ignored} & {*_below(root, shaping)}
