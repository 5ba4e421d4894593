"""The selection from a lock: a pure function of a few texts and the interpreter, so it is cached. Light to import."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from airbyte_ci.images.fingerprint import state_of_tool
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store, action_key

FORMAT_VERSION = 1
# Locks that are self-contained; others query an index or may include further files.
_WHOLE = ("poetry.lock", "uv.lock")


def key(folder: Path, names: frozenset[str], settings: object) -> Digest | None:
    """Returns the key of the selection, or None if it depends on more inputs.

    `settings` are JSON. The key includes airbyte-ci's own files: another version may select other packages.
    """
    lock = next((name for name in _WHOLE if name in names), None)
    if lock is None or "pyproject.toml" not in names:
        return None
    texts = [str(Digest.of((folder / name).read_bytes())) for name in (lock, "pyproject.toml")]
    return action_key(
        "selection", FORMAT_VERSION, {"texts": [lock, *texts], "settings": settings, "tool": state_of_tool().digest}
    )


def recall(
    store: Store, name: Digest | None, make: Callable[[], Sequence[Mapping[str, Any]]], *, keep: bool = True
) -> Sequence[Mapping[str, Any]]:
    """Returns the cached packages of that key, or the result of `make`."""
    if name is None or not keep:
        return make()
    known = store.recall(name)
    if known is not None:
        packages: Sequence[Mapping[str, Any]] = known["packages"]
        return packages
    found = make()
    # Packages from folders and commits are checked every time.
    if not any("origin" in item for item in found):
        store.remember(name, {"packages": list(found)})
    return found
