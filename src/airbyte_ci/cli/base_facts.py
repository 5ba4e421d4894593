"""Facts about base images by address: from the catalog, or cached from an earlier run with the same catalog.

Opening the catalog takes longer than reading the cached metadata of a fleet, and a fleet uses few base images.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from airbyte_ci import __version__, config, disk
from airbyte_ci.config import Configuration
from airbyte_ci.documents import load_json

_FORMAT = 3
_SHIPPED = Path(__file__).parents[1] / "base_images" / "catalog" / "catalog.yaml"


class BaseFacts:
    """The facts about one repository's base images. Opens the catalog at most once."""

    def __init__(self, configuration: Configuration, path: Path) -> None:
        self._configuration = configuration
        self._path = path
        files = (_SHIPPED, configuration.catalog_path)
        self._state = [_FORMAT, __version__, configuration.platform_version, *map(_identity, files)]
        self._known = _read(path, self._state)
        self._added = False
        self._catalog: Any = None

    def of(self, address: str | None) -> dict[str, Any] | None:
        """Returns version, behind, yanked, repository and python of the address, as far as they are known."""
        if address is None:
            return None
        if address not in self._known:
            self._known[address] = self._describe(address)
            self._added = True
        return self._known[address]

    def save(self) -> None:
        """Caches new facts; a folder that is not writable is not an error."""
        if not self._added:
            return
        with suppress(OSError, ValueError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            disk.write_file(self._path, json.dumps({"state": self._state, "bases": self._known}).encode())

    def _describe(self, address: str) -> dict[str, Any]:
        from airbyte_ci.base_images.catalog import catalog

        if self._catalog is None:
            self._catalog = catalog.load(self._configuration.catalog_path)
        version = self._catalog.find(address)
        if version is None:
            # Only the version in its name is known.
            tag = address.partition("@")[0].rpartition("/")[2].partition(":")[2]
            return {"version": tag} if tag else {}
        return {
            "version": version.version,
            "behind": self._catalog.behind(address, self._configuration.platform_version),
            "yanked": bool(version.withdrawal),
            "repository": version.repository,
            "python": version.python,
        }


def opened(configuration: Configuration) -> BaseFacts:
    """Returns the facts of a repository, cached in the user's cache folder."""
    return BaseFacts(configuration, config.home(os.environ) / "metadata" / f"{config.place(configuration.root)}.json")


def _identity(path: Path) -> list[int]:
    try:
        state = path.stat()
    except OSError:
        return []
    return [state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino, state.st_dev]


def _read(path: Path, state: list[Any]) -> dict[str, dict[str, Any]]:
    try:
        document = load_json(path.read_bytes())
        known: dict[str, dict[str, Any]] = document["bases"] if document["state"] == state else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return known
