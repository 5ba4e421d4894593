"""The summary of a build: enough to report, name, verify and deliver its image. Light to import.

It is stored with the fingerprint of the build's inputs, so that an unchanged build reads only this.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from airbyte_ci.errors import BlobNotFound
from airbyte_ci.images.fingerprint import TOOL, Fingerprint, state_of_tool
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Manifest
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.python.wheels.collisions import Collision
from airbyte_ci.records import dataclass

FORMAT_VERSION = 6
# The annotation of a manifest with the digest of its plan.
PLAN_DIGEST = "io.airbyte.ci.plan.digest"
# The format of images under the digests of their plans.
_IMAGE_VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
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


def image_key(plan: Digest) -> Digest:
    """Returns the key of the action that holds a plan's image and the libraries that it lacks."""
    return action_key("image", _IMAGE_VERSION, str(plan))


def _is_there(store: Store, built: Built) -> bool:
    """Whether the image can be delivered: layers missing in the store belong to the base or were pushed before."""
    try:
        manifest = Manifest.parse(store.read(built.digest), f"manifest {built.digest}")
        ours = manifest.layers[built.base_layers :]
        has_layers = store.has_all(layer.digest for layer in ours) or bool(built.sources[1:])
        return has_layers and store.has(manifest.config.digest)
    except BlobNotFound:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Returns the summary of the last build with these settings and folders, as far as its inputs did not change.

    `state` is that of all inputs but the code, `code` that of the code; it is empty if a later change of the code might
    be invisible. `roots` hold both; `code_places` are in them.
    """

    key: Digest
    state: str
    code: str
    is_settled: bool
    roots: tuple[Path, ...]
    code_places: tuple[Path, ...]
    moment: int

    @classmethod
    def of(cls, roots: Iterable[Path], settings: object, moment: int, code_places: Collection[Path] = ()) -> "Memory":
        """`settings` is everything else that shapes the build, as JSON; `moment` (ns) is before anything was read."""
        places, apart = tuple(roots), tuple(code_places)
        found = (*_fingerprints(places, apart), state_of_tool())
        inputs = {
            "roots": [str(root) for root in places],
            "code": [str(place) for place in apart],  # those of another kind of connector when its files change
            "tool": str(TOOL),
            "settings": settings,
        }
        return cls(
            key=action_key("fingerprint", FORMAT_VERSION, inputs),
            state=_joined(found[0], found[2]),
            code=found[1].digest if found[1].is_settled(moment) else "",
            is_settled=found[0].is_settled(moment) and found[2].is_settled(moment),
            roots=places,
            code_places=apart,
            moment=moment,
        )

    def recall(self, store: Store) -> Built | None:
        """Returns the last build if no input changed."""
        known = self._known(store)
        return known[1] if known and self.code and known[0]["code"] == self.code else None

    def recall_other_code(self, store: Store) -> Built | None:
        """Returns the last build if no input but the code changed, and nothing else was read from the code."""
        known = self._known(store)
        return known[1] if known and known[0]["apart"] else None

    def _known(self, store: Store) -> tuple[Mapping[str, Any], Built] | None:
        known = store.recall(self.key)
        if known is None or known["state"] != self.state:
            return None
        built = Built.from_json(known["built"])
        if known["beside"] != Fingerprint(map(Path, built.folders)).digest:
            return None
        return (known, built) if _is_there(store, built) else None

    def remember(self, store: Store, built: Built, *, is_code_apart: bool = False) -> None:
        """Stores the summary, unless a file changed meanwhile or so recently that a later change might be invisible.

        `is_code_apart` tells that only the layer of the code was made from the code: no package, lock or hook.
        """
        beside = Fingerprint(map(Path, built.folders))
        if not self.is_settled or not beside.is_settled(self.moment):
            return
        now = _fingerprints(self.roots, self.code_places)
        if _joined(now[0], state_of_tool()) != self.state or (self.code and now[1].digest != self.code):
            return
        if not (self.code or is_code_apart):
            return
        value = {"state": self.state, "code": self.code, "beside": beside.digest, "built": built.to_json()}
        store.remember(self.key, {**value, "apart": is_code_apart and not self._reads_code(built)})

    def _reads_code(self, built: Built) -> bool:
        """Whether the build read another folder that contains code, or that code contains."""
        others = [place for name in built.folders for place in (Path(name), Path(name).resolve())]
        code = [place for item in self.code_places for place in (item, item.resolve())]
        return any(one.is_relative_to(other) or other.is_relative_to(one) for one in others for other in code)


def _joined(inputs: Fingerprint, tool: Fingerprint) -> str:
    return f"{inputs.digest} {tool.digest}"


def _fingerprints(roots: Iterable[Path], code_places: Collection[Path]) -> tuple[Fingerprint, Fingerprint]:
    """Returns the state of the roots without the code, and that of the code."""
    apart = {str(place) for item in code_places for place in (item, item.parent.resolve() / item.name)}
    return Fingerprint(roots, apart.__contains__), Fingerprint(code_places)
