"""What a resolver may choose among: the versions of each project on the user's indexes as of a moment.

One index per project, the first that has it, and the public one last: a public package of the name of a private one is
never even looked at. What has no wheel for the image is offered as if it had one; its metadata is asked for in the
sandbox when a resolver wants to know it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airbyte_ci.errors import LockError, PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.python import metadata, origins, remote_metadata, wheel
from airbyte_ci.python.index import PUBLIC, PackageIndex
from airbyte_ci.python.index_settings import Source
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import FromIndex, LockedFile, LockedPackage, Origin
from airbyte_ci.python.metadata import Metadata
from airbyte_ci.python.sdist import Builder

_SOURCES = (".tar.gz", ".zip")


@dataclass(frozen=True, slots=True)
class Local:
    """A project that comes from a place of its own: a folder, an archive. No index is asked for it."""

    metadata: Metadata
    origin: Origin
    files: tuple[LockedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class _Project:
    """A project's files on its index by version, as of the moment."""

    source: Source
    versions: Mapping[Version, tuple[Any, ...]]


@dataclass(slots=True)
class Offers:
    """All projects, looked at when they are asked for. May be shared by threads.

    `interpreter` is the one to install for; the builder's, under which back ends run, may be of another platform.
    `pins` name the index of a package. `configured` are the indexes without those that only the project names: whoever
    fetches later has only these. What goes wrong is kept in `errors` by whoever serves the offers.
    """

    builder: Builder
    interpreter: Interpreter
    as_of: datetime | None
    locals: Mapping[str, Local] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    configured: PackageIndex | None = None
    errors: list[Exception] = field(default_factory=list)
    _projects: dict[str, _Project | None] = field(default_factory=dict)
    _order: wheel.TagOrder = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._order = wheel.tag_order(self.interpreter)

    def page(self, name: str) -> dict[str, Any] | None:
        """A project's page (PEP 691) for a resolver; None where no index has it. Raises PackageError, LockError."""
        if local := self.locals.get(name):
            files = [_file(name, local.metadata.version, local.metadata.requires_python)]
        elif (project := self._project(name)) is not None:
            files = [
                file for version, group in project.versions.items() for file in self._offered(name, version, group)
            ]
        else:
            return None
        return {"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": files}

    def metadata(self, name: str, file: str) -> str:
        """METADATA of a file that `page` named; raises PackageError."""
        if local := self.locals.get(name):
            return local.metadata.text()
        project = self._project(name)
        found = origins.name_and_version(file, name)
        group = project.versions.get(Version(found[1]), ()) if project else ()
        if project is None or not group:
            raise PackageError(f"asking for {file}: no index has it")
        for package in group:
            if package.filename == file:
                return remote_metadata.of_wheel(self.builder.store, self.builder.index, project.source, package)
        package = next(item for item in group if item.filename.endswith(_SOURCES))
        locked = _locked(package, project.source)
        self.builder.index.fetch_url(self.builder.store, locked, package.url, project.source)
        # One at a time: back ends are run under the image's Python, and a resolver asks for many things at once.
        with self._lock:
            return metadata.of_sdist(self.builder, locked).text()

    def chosen(self, name: str, version: str, required_by: tuple[str, ...]) -> LockedPackage:
        """The package as a lock has it: every file of the version; raises PackageError."""
        if local := self.locals.get(name):
            return LockedPackage(name, local.metadata.version, local.files, required_by, local.origin)
        project = self._project(name)
        assert project is not None
        group = project.versions[Version(version)]
        files = sorted((_locked(package, project.source) for package in group), key=lambda item: item.name)
        return LockedPackage(name, version, tuple(files), required_by, self._origin(project.source))

    # ---------------------------------------------------------------------------------------------

    def _origin(self, source: Source) -> FromIndex:
        return (self.configured or self.builder.index).origin_of(source)

    def _project(self, name: str) -> _Project | None:
        if name not in self._projects:
            self._projects[name] = self._look(name)
        return self._projects[name]

    def _look(self, name: str) -> _Project | None:
        for source in self._sources(name):
            page = self.builder.index.page(source, name)
            if page is not None and page.packages:
                return _Project(source, self._versions(name, source, page))
        return None

    def _sources(self, name: str) -> list[Source]:
        index = self.builder.index
        if pin := self.pins.get(name):
            if pin.lower() == "pypi":
                return list(index.sources()[:1])
            found = [source for source in index.named if source.name.lower() == pin.lower()]
            if not found:
                raise LockError(f"{name} is to come from the index {pin!r}, which nobody describes")
            return found[:1]
        main, *extra = index.sources()
        # Whoever puts a private index beside the public one means the private one for the names that it has.
        return sorted((*extra, main), key=lambda source: origins.index(source.url) == origins.index(PUBLIC.url))

    def _versions(self, name: str, source: Source, page: Any) -> dict[Version, tuple[Any, ...]]:
        groups: dict[Version, list[Any]] = {}
        undated = 0
        for package in page.packages:
            version = _version(package, name)
            if version is None:
                continue
            if self.as_of is not None:
                undated += package.upload_time is None
                if package.upload_time is None or package.upload_time > self.as_of:
                    continue
            groups.setdefault(version, []).append(package)
        if undated == len(page.packages) and self.as_of is not None:
            raise LockError(
                f"the package index {origins.public(source.url)} does not say when the files of {name} were uploaded "
                "(PEP 700), so it cannot be asked for a day in the past",
                advice="resolve as of now and keep the result: `connectors lock --resolve-as-of now`",
            )
        return {version: tuple(groups[version]) for version in sorted(groups)}

    def _offered(self, name: str, version: Version, group: tuple[Any, ...]) -> list[dict[str, Any]]:
        """The wheels that the image can use, or one that stands for the sdist."""
        files = {LockedFile(package.filename, ""): package for package in group}
        usable = [package for file, package in files.items() if wheel.choose([file], self._order)]
        if usable:
            return [
                _file(name, str(version), package.requires_python, package.filename, package.yanked_reason, package)
                for package in usable
            ]
        source = next((package for package in group if package.filename.endswith(_SOURCES)), None)
        return [_file(name, str(version), source.requires_python, "", None, source)] if source else []


def _file(
    name: str,
    version: str,
    requires_python: str | None,
    filename: str = "",
    yanked: str | None = None,
    package: Any = None,
) -> dict[str, Any]:
    filename = filename or f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return {
        "filename": filename,
        "url": f"/files/{name}/{filename}",
        "hashes": {},
        "requires-python": requires_python,
        "core-metadata": True,
        "yanked": (yanked or True) if package is not None and package.is_yanked else False,
    }


def _version(package: Any, name: str) -> Version | None:
    """None for what is no wheel or sdist of this project."""
    if not package.filename.endswith((".whl", *_SOURCES)):
        return None
    try:
        found, version = origins.name_and_version(package.filename, name)
        return Version(version) if canonicalize_name(found) == name else None
    except (LockError, InvalidVersion):
        return None


def _locked(package: Any, source: Source) -> LockedFile:
    sha256 = package.digests.get("sha256")
    if not sha256:
        raise PackageError(
            f"{package.filename} has no sha256 on {origins.public(source.url)}, so it cannot be locked",
            advice="use an index that gives sha256 hashes (PEP 503)",
        )
    url, _, _ = package.url.partition("#")
    return LockedFile(package.filename, Digest(sha256).hex, origins.public(url))
