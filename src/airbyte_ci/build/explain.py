"""What an environment will be and why: the lock's selection beside the base's own and the last build's packages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airbyte_ci.build.plan import PLAN_DIGEST
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store import Store
from airbyte_ci.python.inventory import Inventory
from airbyte_ci.python.lock import Lock


@dataclass(frozen=True, slots=True)
class Explained:
    """One package: who asked for it, what it replaces in the base, and its version in the last build.

    `last` is empty where there was no such package, None where there was no build to compare with.
    """

    name: str
    version: str
    required_by: tuple[str, ...]
    replaces: str
    last: str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "requiredBy": list(self.required_by),
            "replaces": self.replaces or None,
            "lastBuild": self.last,
        }


def explain(lock: Lock, base: Inventory, last: Mapping[str, str] | None) -> tuple[Explained, ...]:
    """Every package of the lock's selection, by name."""
    present = {item.name: item.version for item in base.distributions}
    return tuple(
        Explained(
            package.name,
            package.version,
            tuple(name or "the connector" for name in package.required_by),
            present.get(package.name, ""),
            None if last is None else last.get(package.name, ""),
        )
        for package in lock.packages
    )


def last_build(store: Store, name: str) -> dict[str, str] | None:
    """Package versions of the image that has this local name, from its plan; None where there is no such image."""
    descriptor = store.resolve(name)
    if descriptor is None:
        return None
    try:
        plan = store.image(descriptor.digest).manifest.annotations[PLAN_DIGEST]
        document = json.loads(store.read(Digest.parse(plan)))
        return {str(item["name"]): str(item["version"]) for item in document["packages"]}
    except (AirbyteCiError, KeyError, TypeError, ValueError):
        return None  # an image that something else put there, or whose plan was collected
