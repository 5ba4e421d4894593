"""Facts about base images by address, from the catalog."""

import functools
from collections.abc import Callable
from typing import Any

from airbyte_ci.config import Configuration

# Version, behind, yanked, repository and python of an address, as far as they are known; None without an address.
BaseFacts = Callable[[str | None], dict[str, Any] | None]


def open_facts(configuration: Configuration) -> BaseFacts:
    """Returns a function that describes an address; opens the catalog when it is first needed."""

    @functools.cache
    def catalog() -> Any:
        from airbyte_ci.base_images.catalog import catalogue  # slow to import, and not needed without base images

        return catalogue.load(configuration.catalogue_path)

    @functools.cache
    def describe(address: str | None) -> dict[str, Any] | None:
        if address is None:
            return None
        version = catalog().find(address)
        if version is None:
            # Only the version in its name is known.
            tag = address.partition("@")[0].rpartition("/")[2].partition(":")[2]
            return {"version": tag} if tag else {}
        return {
            "version": version.version,
            "behind": catalog().behind(address, configuration.platform_version),
            "yanked": bool(version.withdrawal),
            "repository": version.repository,
            "python": version.python,
        }

    return describe
