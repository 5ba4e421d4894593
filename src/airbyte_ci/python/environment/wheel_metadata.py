"""The core metadata of wheels in the store, and of the packages that they bundle, read once per wheel."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.packages.core_metadata import CoreMetadata
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.python.wheels.zip_layout import UNREADABLE

_FORMAT_VERSION = 1
_METADATA = ".dist-info/METADATA"
# The largest real ones have about 1 MB.
_LIMIT = 32 << 20


def of_wheel(store: Store, file: LockedFile) -> CoreMetadata:
    """Returns the metadata of a wheel in the store; raises PackageError for an invalid wheel, BlobNotFound."""
    found = of_all(store, file)
    own = next((item for name, item in found.items() if name.count("/") == 1), None)
    if own is None:
        raise PackageError(f"cannot read the metadata of {file.name}: it is not a wheel (no METADATA)")
    return own


def of_all(store: Store, file: LockedFile) -> Mapping[str, CoreMetadata]:
    """Returns the metadata in a wheel by path in the wheel: its own, and that of packages which it bundles."""

    def make() -> dict[str, Any]:
        return {name: found.to_json() for name, found in _read(store.verified(Digest(file.sha256)), file.name)}

    known = store.reuse("metadata of a wheel", _FORMAT_VERSION, file.sha256, make)
    return {name: CoreMetadata.from_json(item) for name, item in known.items()}


def _read(path: Path, name: str) -> list[tuple[str, CoreMetadata]]:
    try:
        with zipfile.ZipFile(path) as archive:
            listed = [item for item in archive.infolist() if item.filename.endswith(_METADATA)]
            if any(item.file_size > _LIMIT for item in listed):
                raise ValueError(f"METADATA is larger than {_LIMIT >> 20} MiB")
            return [
                (item.filename, CoreMetadata.parse(archive.read(item).decode("utf-8", "replace"))) for item in listed
            ]
    except UNREADABLE as error:
        raise PackageError(f"cannot read the metadata of {name}: it is not a wheel ({type(error).__name__})") from error
