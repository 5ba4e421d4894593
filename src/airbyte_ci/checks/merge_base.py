"""What the merge base says of how much failures weigh: a branch must not make lighter the rules that it is held to."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from airbyte_ci import config
from airbyte_ci.checks import branch
from airbyte_ci.connectors import git
from airbyte_ci.connectors.connector import METADATA, Connector


def table(root: Path, commit: str) -> Mapping[str, Iterable[str]]:
    """The configuration's `[checks]` as it was committed; empty where there was none, or none that can be read."""
    texts = git.committed(root, commit, [config.FILE, config.PROJECT])
    if own := texts.get(config.FILE):
        found = _toml(own)
    else:
        found = (_toml(texts.get(config.PROJECT, b"")).get("tool") or {}).get("airbyte-ci") or {}
    checks = found.get("checks")
    return {
        weight: [item for item in ids if isinstance(item, str)]
        for weight, ids in (checks if isinstance(checks, dict) else {}).items()
        if isinstance(ids, list)
    }


def support_levels(
    root: Path, commit: str, connectors: Iterable[Connector], concerns: Callable[[Connector], bool]
) -> dict[str, str | None]:
    """By folder, the support level of those that it concerns where their metadata was another; one process for all."""
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
    import tomllib

    try:
        return tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return {}
