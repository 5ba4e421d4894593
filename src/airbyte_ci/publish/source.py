"""The commit of a release, and the files of the release that differ from it.

A file that git ignores differs too if it would get into the image: nobody else has it.
"""

from collections.abc import Iterable, Sequence
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
    state = gather.source_state(root, [str(place) for place in places if place and place.exists()])
    if state is None:
        raise ConnectorError(
            f"cannot publish {connector.name}: {connector.folder} is not in a git commit",
            advice="commit it, so that the release can name its source",
        )
    return replace(state, changes=tuple(sorted({*state.changes, *_ignored(connector, root)})))


def add_folders(state: SourceState, root: Path, folders: Sequence[str]) -> SourceState:
    """Adds the uncommitted files of other folders that a build read."""
    if not folders:
        return state
    found = commits.uncommitted_files(root, folders)
    return replace(state, changes=tuple(sorted({*state.changes, *found})))


def _ignored(connector: Connector, root: Path) -> Iterable[str]:
    """Yields files of the code that git ignores and the image would have, by path below the root."""
    places = [place for place in code_places(connector) if place.exists()]
    ignored = commits.ignored_files(root, [str(place) for place in places])
    if not ignored:
        return
    code = {
        item.disk.relative_to(root).as_posix()
        for place in places
        if place.is_dir()
        for item in folder_files.walk(place)
        if not item.is_folder
    }
    code |= {place.relative_to(root).as_posix() for place in places if place.is_file()}
    yield from (name for name in ignored if name in code)
