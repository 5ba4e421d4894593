"""The summary of a build: enough to report, name, verify and deliver its image. Light to import.

It is stored with the fingerprint of the build's inputs, so that an unchanged build reads only this.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import airbyte_ci
from airbyte_ci.errors import BlobNotFound
from airbyte_ci.images.fingerprint import Fingerprint
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.python.wheels.collisions import Collision

FORMAT_VERSION = 4


@dataclass(frozen=True, slots=True)
class Built:
    """One platform's image and the facts about its build.

    `fresh` counts packages that were not cached, and `repaired` are wheels with faults among them; `replaced` are
    (name, version in the base, version installed); `collisions` are paths of several packages; `sources` are
    repositories with layers that the store may lack, the base's first; `folders` are those that were read in addition
    to the connector's own; `absent` are shared libraries that the image lacks, with the packages that are linked to
    them; `unmet` are requirements that the image does not meet. `jars` counts those of a distribution, and `warnings`
    are about it.
    """

    repository: str
    platform: str
    base: str
    plan: str
    manifest: str
    diff_ids: tuple[str, ...]
    base_layers: int
    packages: int
    hook_operations: int
    replaced: tuple[tuple[str, str, str], ...]
    collisions: tuple[Collision, ...]
    sources: tuple[str, ...]
    folders: tuple[str, ...] = ()
    fresh: int = 0
    cached: bool = True
    absent: Mapping[str, str] = field(default_factory=dict)
    unmet: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    jars: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        return Digest.parse(self.manifest)

    @property
    def lacking(self) -> str:
        """Returns the part of `absent` to report, as the first half of a sentence; empty if there is none."""
        packages = dict.fromkeys(name for names in self.absent.values() for name in names.split(", "))
        linked = f"which {', '.join(packages)} {'are' if len(packages) > 1 else 'is'} linked to"
        return f"the image has no {', '.join(self.absent)}, {linked}" if self.absent else ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "fresh": 0, "cached": True, "repaired": ()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Built":
        fields = dict(document)
        for name in ("diff_ids", "sources", "folders", "unmet", "repaired", "warnings"):
            fields[name] = tuple(fields[name])
        fields["replaced"] = tuple((name, old, new) for name, old, new in fields["replaced"])
        fields["collisions"] = tuple(Collision.from_json(item) for item in fields["collisions"])
        return cls(**fields)


def _is_there(store: Store, built: Built) -> bool:
    """Whether the image can be delivered: layers missing in the store belong to the base or were pushed before."""
    try:
        image = store.image(built.digest)
        ours = image.manifest.layers[built.base_layers :]
        return all(store.has(layer.digest) for layer in ours) or bool(built.sources[1:])
    except BlobNotFound:
        return False


@dataclass(frozen=True, slots=True)
class Memory:
    """Returns the summary of the last build with these settings and folders, if none of its inputs changed."""

    key: Digest
    state: str
    is_settled: bool
    roots: tuple[Path, ...]
    moment: int

    @classmethod
    def of(cls, roots: Iterable[Path], settings: object, moment: int) -> "Memory":
        """`settings` is everything else that shapes the build, as JSON; `moment` (ns) is before anything was read."""
        places = (*roots, Path(airbyte_ci.__file__).parent)
        found = Fingerprint(places)
        inputs = {"roots": [str(root) for root in places], "settings": settings}
        key = action_key("fingerprint", FORMAT_VERSION, inputs)
        return cls(key, found.digest, found.is_settled(moment), places, moment)

    def recall(self, store: Store) -> Built | None:
        known = store.recall(self.key)
        if known is None or known["state"] != self.state:
            return None
        built = Built.from_json(known["built"])
        if known["beside"] != Fingerprint(map(Path, built.folders)).digest:
            return None
        return built if _is_there(store, built) else None

    def remember(self, store: Store, built: Built) -> None:
        """Stores the summary, unless a file changed meanwhile or so recently that a later change might be invisible."""
        beside = Fingerprint(map(Path, built.folders))
        if self.is_settled and beside.is_settled(self.moment) and Fingerprint(self.roots).digest == self.state:
            value = {"state": self.state, "beside": beside.digest, "built": built.to_json()}
            store.remember(self.key, value)
