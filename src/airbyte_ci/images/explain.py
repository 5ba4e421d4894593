"""Explains an environment: the lock's selection, compared with the base's packages and the last build's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_ci.documents import load_json
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.images.summary import PLAN_DIGEST
from airbyte_ci.oci import local
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.interpreter.inventory import Inventory
from airbyte_ci.python.packages.lock import THE_INDEX, Lock

# The requester of packages that nothing in the lock requires, if the lock has no more detail.
_ROOTS = {"requirements": "the requirements"}


@dataclass(frozen=True, slots=True)
class Explained:
    """One package: what requires it, what it replaces in the base, and its version in the last build.

    `has_last` is False if there was no build to compare with; `last` is None if that build lacked the package.
    """

    choice: Choice
    required_by: tuple[str, ...]
    replaces: str
    last: Choice | None
    has_last: bool

    @property
    def origin(self) -> str:
        """Returns the origin, if it is not the configured index."""
        return "" if self.choice.origin == THE_INDEX else str(self.choice.origin)

    @property
    def differs(self) -> bool:
        """Whether the last build had another version, other bytes or another origin."""
        return self.has_last and self.last != self.choice

    def to_json(self) -> dict[str, Any]:
        last = self.last.version if self.last else ""
        return {
            "name": self.choice.name,
            "version": self.choice.version,
            "file": self.choice.file.name,
            "sha256": self.choice.file.sha256,
            "origin": self.origin or None,
            "requiredBy": list(self.required_by),
            "replaces": self.replaces or None,
            "lastBuild": last if self.has_last else None,
            "differs": self.differs if self.has_last else None,
        }


def explain(
    lock: Lock, choices: Sequence[Choice], base: Inventory, last: Mapping[str, Choice] | None
) -> tuple[Explained, ...]:
    """Returns every package of the installation, by name; `choices` are those of the lock."""
    present = {item.name: item.version for item in base.distributions}
    askers = {package.name: package.required_by for package in lock.packages}
    root = _ROOTS.get(lock.kind, "the connector")
    return tuple(
        Explained(
            choice,
            tuple(name or root for name in askers[choice.name]),
            replaces=present.get(choice.name, ""),
            last=(last or {}).get(choice.name),
            has_last=last is not None,
        )
        for choice in choices
    )


def last_build(store: Store, name: str, platform: Platform) -> dict[str, Choice] | None:
    """Returns the packages of the image with this local name, from its plan; None if the platform has no such image."""
    try:
        image = local.find_named(store, name, platform)
        if image is None:
            return None
        plan = image.manifest.annotations[PLAN_DIGEST]
        document = load_json(store.read(Digest.parse(plan)))
        if not platform.accepts(Platform.parse(document["platform"])):
            return None
        listed = (item["packages"] for item in document["operations"] if "packages" in item)
        packages = [Choice.from_json(item) for item in next(listed)]
    except (AirbyteCiError, LookupError, StopIteration, TypeError, ValueError):
        return None  # Another tool created the image, or garbage collection removed its plan.
    return {choice.name: choice for choice in packages}
