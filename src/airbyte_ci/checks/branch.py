"""What is different from the merge base, connector by connector, for rules that compare with it."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_ci.connectors import git, history
from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.documents import DocumentError, load_yaml


@dataclass(frozen=True, slots=True)
class Branch:
    """By connector folder: the files that differ (paths inside the folder), and the metadata of the merge base."""

    changed: Mapping[str, tuple[str, ...]]
    before: Mapping[str, Mapping[str, Any]]

    def changed_in(self, connector: Connector) -> tuple[str, ...]:
        """The connector's files that differ; those of its `-strict-encrypt` twin count too."""
        return self.changed.get(connector.relative, ())

    def metadata_before(self, connector: Connector) -> Mapping[str, Any] | None:
        """`data` as it was; None where the connector was not there, or was not one."""
        return self.before.get(connector.relative)


def since(root: Path, modified: Callable[[], Mapping[str, tuple[str, ...]]], branch: str | None) -> Branch | None:
    """Compared with where HEAD left `branch`, by default the remote's HEAD; None where neither is known.

    `modified` gives, by the folder of each modified connector, the paths below `root` that make it so. Raises
    UsageError for a branch that was named and is not there, ConnectorError when git fails.
    """
    commit = history.compared_with(root, branch)
    if commit is None:
        return None
    by_folder = modified()
    # Of a connector's modified files only its documentation page is Markdown, and that is not in its image.
    changed = {
        folder: tuple(_inside(path, by_folder) for path in paths if not path.endswith(".md"))
        for folder, paths in by_folder.items()
    }
    texts = git.committed(root, commit, [metadata_path(folder) for folder in changed])
    before = {folder: data_in(texts.get(metadata_path(folder))) for folder in changed}
    return Branch(changed, {folder: data for folder, data in before.items() if data is not None})


def metadata_path(folder: str) -> str:
    """The path of a connector's metadata below the root."""
    return METADATA if folder == "." else f"{folder}/{METADATA}"


def _inside(path: str, folders: Container[str]) -> str:
    """The path from the nearest connector's folder."""
    folder = path
    while folder := folder.rpartition("/")[0]:
        if folder in folders:
            return path.removeprefix(f"{folder}/")
    return path


def data_in(raw: bytes | None) -> dict[str, Any] | None:
    """The `data` of a metadata file; None where there is none."""
    try:
        document = load_yaml(raw or b"")
    except DocumentError:
        return None
    data = document.get("data") if isinstance(document, dict) else None
    return data if isinstance(data, dict) else None
