"""Compares two base images by their inventories, without running them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airbyte_ci.base_images.inspection.contents import Contents
from airbyte_ci.oci.image import Image


@dataclass(frozen=True, slots=True)
class ChangedItem:
    """A named item that differs: `before` is empty if it was added, `after` if it was removed."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two images: its name, the image, its inventory and its files."""

    name: str
    image: Image
    contents: Contents
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LayerChange:
    """A layer that only one of the images has: its compressed size and its history entry."""

    side: str
    diff_id: str
    size: int
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All differences from `before` to `after`; sizes are compressed bytes."""

    before: str
    after: str
    facts: tuple[ChangedItem, ...]
    packages: tuple[ChangedItem, ...]
    distributions: tuple[ChangedItem, ...]
    environment: tuple[ChangedItem, ...]
    accounts: tuple[ChangedItem, ...]
    files: tuple[ChangedItem, ...]
    layers: tuple[LayerChange, ...]
    shared_layers: int
    size_before: int
    size_after: int

    @property
    def is_empty(self) -> bool:
        groups = (self.facts, self.packages, self.distributions, self.environment, self.accounts, self.files)
        return not any(groups) and not self.layers

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def between(before: Side, after: Side) -> Difference:
    """Returns the differences between two images."""
    ours, theirs = before.contents, after.contents
    layers = {layer.diff_id for layer in ours.layers} & {layer.diff_id for layer in theirs.layers}
    return Difference(
        before=before.name,
        after=after.name,
        facts=_changes(_facts(before), _facts(after)),
        packages=_changes(_packages(ours), _packages(theirs)),
        distributions=_changes(dict(ours.distributions), dict(theirs.distributions)),
        environment=_changes(before.image.config.environment, after.image.config.environment),
        accounts=_changes(_accounts(ours), _accounts(theirs)),
        files=_changes(before.files, after.files),
        layers=(*_layers("-", ours, layers), *_layers("+", theirs, layers)),
        shared_layers=len(layers),
        size_before=ours.size,
        size_after=theirs.size,
    )


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[ChangedItem, ...]:
    names = sorted(before.keys() | after.keys())
    pairs = ((name, before.get(name, ""), after.get(name, "")) for name in names)
    return tuple(ChangedItem(name, one, other) for name, one, other in pairs if one != other)


def _facts(side: Side) -> dict[str, str]:
    execution = side.image.config.execution
    return {
        "system": side.contents.system.get("PRETTY_NAME", ""),
        "Python": side.contents.python,
        "libc": side.contents.libc,
        "user": str(execution.get("User") or "root"),
        "working directory": str(execution.get("WorkingDir") or "/"),
        "entrypoint": " ".join(map(str, execution.get("Entrypoint") or [])),
        "command": " ".join(map(str, execution.get("Cmd") or [])),
    }


def _packages(contents: Contents) -> dict[str, str]:
    architectures = {item.architecture for item in contents.packages} - {"all"}
    foreign = len(architectures) > 1
    return {f"{item.name}:{item.architecture}" if foreign else item.name: item.version for item in contents.packages}


def _accounts(contents: Contents) -> dict[str, str]:
    return {item.name: f"{item.uid}:{item.gid} {item.home} {item.shell}" for item in contents.accounts}


def _layers(side: str, contents: Contents, shared: Iterable[str]) -> list[LayerChange]:
    known = set(shared)
    return [
        LayerChange(side, layer.diff_id, layer.size, layer.created_by)
        for layer in contents.layers
        if layer.diff_id not in known
    ]
