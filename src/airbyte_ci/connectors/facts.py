"""Facts of a connector that queries may use in addition to its metadata; each is computed only when used.

Facts that need git or the catalog of base images are passed in.
"""

from collections.abc import Callable, Mapping
from typing import Any

from airbyte_ci.connectors import pylock_names
from airbyte_ci.connectors.connector import Connector

Fact = Callable[[Connector], Any]

# The names and their fields: empty for a plain value.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "base": ("version", "behind", "yanked", "repository", "python"),
    "has_dockerfile": (),
    "has_hook": (),
    "language": (),
    "lock": ("kind",),
    "modified": (),
    "name": (),
}


def has_hook(connector: Connector) -> bool:
    """Returns whether the connector customizes its build with a module or a declaration."""
    return bool(connector.names & {"build_customization.py", "build_customization.yaml"})


def lock_kind(connector: Connector) -> str | None:
    """Returns poetry, uv, pylock or requirements (with hashes), the first that applies; None without a lock."""
    for name, kind in (("poetry.lock", "poetry"), ("uv.lock", "uv"), (pylock_names.FILE, "pylock")):
        if name in connector.names:
            return kind
    if "requirements.txt" in connector.names:
        path = connector.folder / "requirements.txt"
        if path.is_file() and b"--hash=" in path.read_bytes():
            return "requirements"
    return "pylock" if pylock_names.of(connector.names) else None


def _lock(connector: Connector) -> dict[str, str] | None:
    kind = lock_kind(connector)
    return {"kind": kind} if kind else None


OWN: Mapping[str, Fact] = {
    "has_dockerfile": lambda connector: connector.has_dockerfile,
    "has_hook": has_hook,
    "language": lambda connector: connector.language,
    "lock": _lock,
    "name": lambda connector: connector.name,
}
