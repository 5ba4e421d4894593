"""The configuration of the checks at the merge base: a branch must not relax the rules that apply to it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_ci import config
from airbyte_ci.checks import branch
from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.git import git


@dataclass(frozen=True, slots=True)
class MergeBaseRules:
    """The merge base's configuration: `[checks]`, allowed repositories and owners; None where it has no such key."""

    commit: str
    weights: Mapping[str, Iterable[str]]
    repositories: tuple[str, ...] | None = None
    owners: str | None = None


def rules(root: Path, commit: str) -> MergeBaseRules:
    """Reads the configuration at a commit. A missing or unreadable table gives None."""
    texts = git.committed(root, commit, [config.FILE, config.PROJECT])
    if own := texts.get(config.FILE):
        found = _toml(own)
    else:
        found = (_toml(texts.get(config.PROJECT, b"")).get("tool") or {}).get("airbyte-ci") or {}
    found = {config.key_name(key): value for key, value in found.items()} if isinstance(found, dict) else {}
    checks, repositories, owners = (
        found.get(key) for key in ("checks", "base-image-repositories", "customization-owners")
    )
    weights = {
        weight: [item for item in ids if isinstance(item, str)]
        for weight, ids in (checks if isinstance(checks, dict) else {}).items()
        if isinstance(ids, list)
    }
    return MergeBaseRules(
        commit,
        weights,
        tuple(map(str, repositories)) if isinstance(repositories, list) else None,
        owners if isinstance(owners, str) else None,
    )


def support_levels(
    root: Path, commit: str, connectors: Iterable[Connector], concerns: Callable[[Connector], bool]
) -> dict[str, str | None]:
    """Returns the earlier support level by folder, for connectors whose metadata changed; starts one git process."""
    paths = {branch.metadata_path(item.relative): item for item in connectors if concerns(item)}
    found: dict[str, str | None] = {}
    for path, raw in git.committed(root, commit, list(paths)).items():
        item = paths[path]
        if raw != _bytes(item.folder / METADATA) and (data := branch.data_in(raw)) is not None:
            level = data.get("supportLevel")
            found[item.relative] = None if level is None else str(level)
    return found


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _toml(raw: bytes) -> dict[str, Any]:
    try:
        return load_toml(raw.decode())
    except (DocumentError, UnicodeDecodeError):
        return {}
