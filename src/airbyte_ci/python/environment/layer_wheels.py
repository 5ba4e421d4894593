"""The wheels of a layer, recorded when the layer is made, so that its archive need not be read again."""

from collections.abc import Iterable
from dataclasses import dataclass

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.python.packages.lock import LockedFile

_FORMAT_VERSION = 1
_METADATA = ".dist-info/METADATA"


@dataclass(frozen=True, slots=True)
class LayerWheel:
    """A wheel in a layer, and the paths of its METADATA files: its own, and those of packages that it bundles."""

    file: LockedFile
    metadata: tuple[str, ...]


def remember(store: Store, diff_id: Digest, wheels: Iterable[tuple[LockedFile, Iterable[str]]]) -> None:
    """Records the wheels of a layer, each with all its paths in the image."""
    listed = [[file.name, file.sha256, sorted(filter(_is_metadata, paths))] for file, paths in wheels]
    store.remember(_key(diff_id), {"wheels": listed})


def recall(store: Store, diff_id: Digest) -> tuple[LayerWheel, ...] | None:
    """Returns the wheels of a layer; None for other layers, and for those that were made elsewhere."""
    known = store.recall(_key(diff_id))
    if known is None:
        return None
    return tuple(LayerWheel(LockedFile(name, sha256), tuple(paths)) for name, sha256, paths in known["wheels"])


def _is_metadata(path: str) -> bool:
    return path.endswith(_METADATA)


def _key(diff_id: Digest) -> Digest:
    return action_key("wheels of a layer", _FORMAT_VERSION, str(diff_id))
