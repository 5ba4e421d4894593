"""uv workspaces: one lock at the root serves every member. Knows tables and paths as texts, no disk.

https://docs.astral.sh/uv/concepts/projects/workspaces/
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from packaging.utils import canonicalize_name

Table = Mapping[str, Any]
# The settings that a member takes from its root.
_SHARED = ("index", "constraint-dependencies", "override-dependencies", "exclude-dependencies", "conflicts")


def is_member(root: Table, member: str) -> bool:
    """Returns whether the root's pyproject.toml includes the folder `member` (posix, relative to the root)."""
    workspace = _uv(root).get("workspace")
    if not isinstance(workspace, Mapping):
        return False
    named, left_out = (workspace.get(key) or () for key in ("members", "exclude"))
    return any(_matches(str(item), member) for item in named) and not any(
        _matches(str(item), member) for item in left_out
    )


def join(project: Table, root: Table, member: str) -> dict[str, Any]:
    """Returns a member's pyproject.toml as if it was the root's: with the root's settings, and paths relative to it."""
    own = _uv(project)
    sources = {canonicalize_name(str(name)): item for name, item in (_uv(root).get("sources") or {}).items()}
    for name, item in (own.get("sources") or {}).items():
        items = item if isinstance(item, list) else [item]
        sources[canonicalize_name(str(name))] = [_moved(one, member) for one in items]
    shared = {key: _uv(root)[key] for key in _SHARED if key in _uv(root)}
    uv = {**own, **shared, "sources": sources}
    return {**project, "tool": {**(project.get("tool") or {}), "uv": uv}}


def _moved(source: Table, member: str) -> dict[str, Any]:
    path = source.get("path")
    moved = {"path": posixpath.normpath(posixpath.join(member, str(path)))} if path is not None else {}
    return {**source, **moved}


def _matches(pattern: str, member: str) -> bool:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    text = "".join(parts.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern.rstrip("/")))
    return re.fullmatch(text.removeprefix(r"\./"), member) is not None


def _uv(project: Table) -> Table:
    table = (project.get("tool") or {}).get("uv")
    return table if isinstance(table, Mapping) else {}
