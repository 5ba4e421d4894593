"""Facts of a connector that a query may speak of beside its metadata; each is computed only when one does.

What needs git or the catalogue of base images is handed in: it is not known here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from airbyte_ci.connectors import pylock_names
from airbyte_ci.connectors.connector import Connector

Fact = Callable[[Connector], Any]

# The names, and what can be asked of each: nothing where it is a plain value.
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
    """Whether something customizes its build: a module, or the declaration."""
    return bool(connector.names & {"build_customization.py", "build_customization.yaml"})


def lock_kind(connector: Connector) -> str | None:
    """poetry, uv, pylock or requirements (with hashes), by the first that counts; None without a lock."""
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
