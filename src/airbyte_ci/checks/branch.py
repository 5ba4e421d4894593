"""Differences from the merge base, per connector, for rules that compare with it."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.documents import DocumentError, load_yaml
from airbyte_ci.git import git, history


@dataclass(frozen=True, slots=True)
class BranchDifference:
    """Per connector folder: the files that differ (paths inside the folder), and the metadata at the merge base."""

    changed: Mapping[str, tuple[str, ...]]
    before: Mapping[str, Mapping[str, Any]]

    def changed_in(self, connector: Connector) -> tuple[str, ...]:
        """Returns the connector's files that differ, including those of its `-strict-encrypt` twin."""
        return self.changed.get(connector.relative, ())

    def metadata_before(self, connector: Connector) -> Mapping[str, Any] | None:
        """Returns `data` at the merge base; None where the connector did not exist there."""
        return self.before.get(connector.relative)


def since(
    root: Path, modified: Callable[[], Mapping[str, tuple[str, ...]]], branch: str | None
) -> BranchDifference | None:
    """Compares with the merge base of HEAD and `branch` (default: the remote's HEAD); None where neither is known.

    `modified` returns the changed paths below `root` for the folder of each modified connector. Raises UsageError
    when the given branch does not exist, ConnectorError when git fails.
    """
    commit = history.compared_with(root, branch)
    if commit is None:
        return None
    by_folder = modified()
    # The only Markdown file outside of a connector's folder is its documentation page, which is not in the image.
    changed = {
        folder: tuple(_inside(path, by_folder) for path in paths if not path.endswith(".md"))
        for folder, paths in by_folder.items()
    }
    texts = git.committed(root, commit, [metadata_path(folder) for folder in changed])
    before = {folder: data_in(texts.get(metadata_path(folder))) for folder in changed}
    return BranchDifference(changed, {folder: data for folder, data in before.items() if data is not None})


def metadata_path(folder: str) -> str:
    """Returns the path of a connector's metadata below the root."""
    return METADATA if folder == "." else f"{folder}/{METADATA}"


def _inside(path: str, folders: Container[str]) -> str:
    """Returns the path relative to the folder of the nearest connector."""
    folder = path
    while folder := folder.rpartition("/")[0]:
        if folder in folders:
            return path.removeprefix(f"{folder}/")
    return path


def data_in(raw: bytes | None) -> dict[str, Any] | None:
    """Returns the `data` of a metadata file; None where the file has none."""
    try:
        document = load_yaml(raw or b"")
    except DocumentError:
        return None
    data = document.get("data") if isinstance(document, dict) else None
    return data if isinstance(data, dict) else None
