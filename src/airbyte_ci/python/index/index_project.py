"""A project on one package index, reduced to the data of a resolution; it stays in memory for a whole command."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airbyte_ci.errors import LockError
from airbyte_ci.python.index.index_settings import Source
from airbyte_ci.python.packages import origins

SDISTS = (".tar.gz", ".zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """A wheel or sdist that the index lists; `yanked` is the reason, or None if it is not yanked."""

    filename: str
    url: str
    sha256: str
    requires_python: str | None
    yanked: str | None
    uploaded: datetime | None
    has_metadata: bool
    metadata_sha256: str

    @property
    def is_sdist(self) -> bool:
        return self.filename.endswith(SDISTS)


@dataclass(frozen=True, slots=True)
class IndexProject:
    """A project's files by version, oldest version first."""

    source: Source
    versions: Mapping[Version, tuple[IndexFile, ...]]

    def is_undated(self) -> bool:
        """Whether the index reports no upload time for any file (PEP 700)."""
        return not any(file.uploaded for files in self.versions.values() for file in files)


def of_page(source: Source, name: str, packages: Iterable[Any]) -> IndexProject:
    """Returns the project of a page, without other projects' files; `packages` are pypi_simple.DistributionPackage."""
    groups: dict[Version, list[IndexFile]] = {}
    for package in packages:
        version = _version(package.filename, name)
        if version is not None:
            groups.setdefault(version, []).append(_file(package))
    return IndexProject(source, {version: tuple(groups[version]) for version in sorted(groups)})


def _file(package: Any) -> IndexFile:  # noqa: ANN401  # pypi-simple is imported late
    return IndexFile(
        filename=package.filename,
        url=package.url.partition("#")[0],
        sha256=package.digests.get("sha256") or "",
        requires_python=package.requires_python,
        yanked=(package.yanked_reason or "yanked") if package.is_yanked else None,
        uploaded=package.upload_time,
        has_metadata=bool(package.has_metadata),
        metadata_sha256=(package.metadata_digests or {}).get("sha256") or "",
    )


def _version(filename: str, name: str) -> Version | None:
    """Returns the project file, or None if it is neither a wheel nor an sdist of this project."""
    if not filename.endswith((".whl", *SDISTS)):
        return None
    try:
        found, version = origins.name_and_version(filename, name)
        return Version(version) if canonicalize_name(found) == name else None
    except (LockError, InvalidVersion):
        return None
