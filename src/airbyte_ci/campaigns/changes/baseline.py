"""git's facts about the connectors of a campaign, queried once for all of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.connectors.folder_files import walk
from airbyte_ci.documents import load_yaml
from airbyte_ci.git import forge, git, history

NEVER = "0.0.0"


@dataclass(frozen=True, slots=True)
class Baseline:
    """`released` maps folders to the versions where this branch left its main one; `unsaved` maps paths to how the
    files differ from the last commit; `pull_request_url` is a template with {number}, None if unknown.
    """

    released: Mapping[str, str] = field(default_factory=dict)
    unsaved: Mapping[str, str] = field(default_factory=dict)
    pull_request_url: str | None = None


def of(
    connectors: Sequence[Connector],
    configuration: Configuration,
    diffed_branch: str | None = None,
    doomed: Iterable[str] = (),
) -> Baseline:
    """`doomed` are names of files and folders in a connector's folder that the campaign may delete.

    `{package}` is replaced by the name of the connector's package. Raises ConnectorError, UsageError.
    """
    root = configuration.root
    fork = history.fork_point_if_known(root, diffed_branch)
    url = configuration.pull_request_url or forge.pull_request_url(root)
    return Baseline(_released(connectors, root, fork), _unsaved(connectors, root, doomed), url)


def _released(connectors: Sequence[Connector], root: Path, fork: str | None) -> dict[str, str]:
    if fork is None:
        return {}
    by_path = {connector.path_of(METADATA): connector for connector in connectors}
    # A new connector was never released, so any version is above the released one.
    versions = {connector.relative: NEVER for connector in connectors}
    for path, content in git.committed(root, fork, list(by_path)).items():
        connector = by_path[path]
        version = connector.version if content == (root / path).read_bytes() else _version(content)
        if version:  # in any case, it was not released
            versions[connector.relative] = version
    return versions


def _version(content: bytes) -> str:
    try:
        return str(load_yaml(content)["data"]["dockerImageTag"])
    except (LookupError, TypeError, ValueError):
        return ""


def _unsaved(connectors: Sequence[Connector], root: Path, doomed: Iterable[str]) -> dict[str, str]:
    names = list(doomed)
    paths = [path for connector in connectors for path in _doomed(connector, names)]
    committed = git.committed(root, "HEAD", paths)
    unsaved = {}
    for path in paths:
        if committed.get(path) == (root / path).read_bytes():
            continue
        # Git itself decides: a checkout may differ from what is committed (line ends, filters).
        state = git.uncommitted(root, root / path)
        if state is None and not committed:
            return {}  # no repository
        if state:
            unsaved[path] = state
    return unsaved


def _doomed(connector: Connector, names: Iterable[str]) -> Iterator[str]:
    for name in (item.replace("{package}", connector.package) for item in names):
        folder = connector.folder / name
        if name in connector.names and folder.is_dir() and not folder.is_symlink():
            yield from (connector.path_of(f"{name}/{item.path}") for item in walk(folder) if not item.is_folder)
        elif name in connector.names:
            yield connector.path_of(name)
