"""An environment as layers of an image: whiteouts of the replaced files, then the packages.

The grouping of packages is a pure function of the connector's own wheels and a versioned rule. So connectors share
layers even if they are built separately.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Layer, assemble, layer_of, reuse_layer
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.environment import layer_wheels
from airbyte_ci.python.environment.consistency import Unmet
from airbyte_ci.python.environment.environment import Choice, Environment, Package
from airbyte_ci.python.interpreter import installed
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.interpreter.inventory import Inventory
from airbyte_ci.python.wheels.collisions import Collision

RULE_VERSION = 4
# Of the cached data about an environment's layers; the grouping rule versions what others read.
FORMAT_VERSION = 1
# On a layer's descriptor: the key of its environment, its part's number, and the number of parts.
PART = "io.airbyte.ci.environment.part"
# The shared libraries, by soname, that the environment needs from the image.
LIBRARIES = "io.airbyte.ci.environment.libraries"
# Measured on 61 real environments of June 2024 (1,377 MB when each has its own layer): one layer per wheel would keep
# 433 MB in up to 98 layers, one layer each 853 MB, this rule 472 MB in 15 layers on average and 31 at most.
_OWN_LAYER = 512 << 10
_MOST_OWN = 24
_BUCKETS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An environment's layers, lowest first.

    `fresh` counts packages that were not cached. `repaired` are wheels with faults that were unpacked now. `unmet` is
    empty for layers from a registry: their build reported it.
    """

    layers: tuple[Layer, ...]
    collisions: tuple[Collision, ...]
    libraries: tuple[str, ...] = ()
    fresh: int = 0
    unmet: tuple[Unmet, ...] = ()
    repaired: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "layers": [layer.to_json() for layer in self.layers],
            "collisions": [item.to_json() for item in self.collisions],
            "libraries": list(self.libraries),
            "unmet": [[item.by, item.requirement, item.found] for item in self.unmet],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Installed":
        layers = tuple(Layer.from_json(item) for item in document["layers"])
        collisions = tuple(Collision.from_json(item) for item in document["collisions"])
        unmet = tuple(Unmet(*item) for item in document["unmet"])
        return cls(layers=layers, collisions=collisions, libraries=tuple(document["libraries"]), unmet=unmet)


def libraries_of(layers: Iterable[Layer]) -> tuple[str, ...]:
    """Returns the shared libraries that layers from a registry need."""
    return tuple(sorted({name for layer in layers for name in layer.descriptor.annotations.get(LIBRARIES, "").split()}))


class Sized(Protocol):
    """Something with a name that stays when its version changes, and a compressed size in bytes."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...


Item = TypeVar("Item", bound=Sized)


def grouped(packages: Iterable[Item]) -> list[list[Item]]:
    """Returns the packages of each layer, lowest first.

    Each large wheel has a layer of its own, because sharing it saves most, and it seldom changes with the rest. The
    small ones are spread by name, so that a changed one rebuilds at most an eighth of the others, always the same ones.
    """
    ordered = sorted(packages, key=lambda package: (-package.size, package.name))
    count = sum(package.size >= _OWN_LAYER for package in ordered[:_MOST_OWN])
    large = sorted(ordered[:count], key=lambda package: package.name)
    buckets: dict[int, list[Item]] = {}
    for package in sorted(ordered[count:], key=lambda package: package.name):
        buckets.setdefault(_bucket(package.name), []).append(package)
    return [[package] for package in large] + [buckets[number] for number in sorted(buckets)]


def _bucket(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % _BUCKETS


def install(
    store: Store, environment: Environment, interpreter: Interpreter, *, key: Digest, executor: Executor
) -> Installed:
    """Returns the environment as layers with its key, so that a registry can identify them."""
    groups = grouped(environment.packages)
    layers = []
    for number, made in enumerate(executor.map(lambda packages: layer(store, packages, interpreter), groups), 1):
        annotations = {PART: f"{key} {number}/{len(groups)}"}
        if environment.libraries:
            annotations[LIBRARIES] = " ".join(environment.libraries)
        layers.append(replace(made, descriptor=replace(made.descriptor, annotations=annotations)))
    fresh = sum(package.fresh for package in environment.packages)
    return Installed(
        layers=tuple(layers),
        collisions=environment.collisions,
        libraries=environment.libraries,
        fresh=fresh,
        unmet=environment.unmet,
        repaired=environment.repaired,
    )


def layer(store: Store, packages: Sequence[Package], interpreter: Interpreter) -> Layer:
    """Returns one layer of these packages."""
    paths = {path for package in packages for path in package.paths}
    made = assemble(
        store,
        _directories(paths, interpreter),
        [segment for package in packages for segment in package.segments],
    )
    layer_wheels.remember(store, made.diff_id, [(package.wheel, package.paths) for package in packages])
    return made


def _directories(paths: Iterable[str], interpreter: Interpreter) -> list[Entry]:
    """Returns the folders inside site-packages. Those above belong to the base, with its modes and owners."""
    roots = tuple({f"{interpreter.purelib.strip('/')}/", f"{interpreter.platlib.strip('/')}/"})
    return [tar.directory(folder) for folder in sorted(tar.folders(paths)) if folder.startswith(roots)]


def removals(store: Store, names: Iterable[str], base: Inventory, identity: str) -> Layer | None:
    """Returns the layer that whites out the base's distributions of these names, if it has any.

    It is below the packages and does not depend on them, so all connectors that replace the same distributions of a
    base share it. `identity` names the base, for the cache; empty means no cache.
    """
    wanted = set(names)
    replaced = [item for item in base.distributions if item.name in wanted]
    if not replaced:
        return None
    inputs = {"base": identity, "names": [item.name for item in replaced], "site": base.interpreter.site}
    roots = installed.folders(base.interpreter)
    entries = installed.removals(base.distributions, base.files, {item.name for item in replaced}, roots)
    if not entries:
        return None
    if not identity:
        return layer_of(store, entries)
    return reuse_layer(
        store, "removals", version=installed.FORMAT_VERSION, inputs=inputs, make=lambda: layer_of(store, entries)
    )


def replaced(choices: Iterable[Choice], base: Inventory) -> tuple[tuple[str, str, str], ...]:
    """Returns (name, version in the base, version in the environment) of each replaced distribution."""
    wanted = {choice.name: choice.version for choice in choices}
    return tuple((item.name, item.version, wanted[item.name]) for item in base.distributions if item.name in wanted)
