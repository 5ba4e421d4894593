"""The versions of each project on the user's indexes as of a moment, from which a resolver selects.

Each project comes from one index, the first that has it, with the public one last: a public package with the name of a
private one is never read. A version without a wheel for the image is offered as if it had one; the sandbox reports its
metadata when a resolver requests it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from packaging.version import Version

from airbyte_ci.errors import LockError, PackageError, UnknownMetadata
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import action_key
from airbyte_ci.python.index.index_project import IndexFile, IndexProject
from airbyte_ci.python.index.index_settings import Source
from airbyte_ci.python.index.package_index import PUBLIC, PackageIndex
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages import origins
from airbyte_ci.python.packages.lock import FromIndex, LockedFile, LockedPackage, Origin
from airbyte_ci.python.resolution import remote_metadata
from airbyte_ci.python.sources import metadata, sdist
from airbyte_ci.python.sources.metadata import Metadata
from airbyte_ci.python.sources.sdist import Builder
from airbyte_ci.python.wheels import wheel

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Local:
    """A project with its own location: a folder, an archive. No index is used for it."""

    metadata: Metadata
    origin: Origin
    files: tuple[LockedFile, ...] = ()


@dataclass(slots=True, kw_only=True)
class Offers:
    """All projects, read on demand. Threads may share it.

    `interpreter` is the target; the builder's, which runs back ends, may have another platform. `pins` name the index
    of a package. `configured` are the indexes without those that only the project names, because later fetches use only
    these. `is_lenient` also offers files without an upload date. `errors` collects failures of serving. `unusable` has
    the versions without metadata, each with the reason; they are not offered any more after `skip_unusable`.
    """

    builder: Builder
    interpreter: Interpreter
    as_of: datetime | None
    locals: Mapping[str, Local] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    configured: PackageIndex | None = None
    is_lenient: bool = False
    errors: list[Exception] = field(default_factory=list)
    unusable: dict[tuple[str, Version], UnknownMetadata] = field(default_factory=dict)
    _skipped: set[tuple[str, Version]] = field(default_factory=set)
    _projects: dict[str, IndexProject | None] = field(default_factory=dict)
    _usable: dict[str, bool] = field(default_factory=dict)
    _order: wheel.TagOrder = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._order = wheel.tag_order(self.interpreter)

    def page(self, name: str) -> dict[str, Any] | None:
        """Returns a project's page (PEP 691); None if no index has it. Raises PackageError, LockError."""
        if local := self.locals.get(name):
            files = [_page_file(name, _stand_in(name, local.metadata.version), local.metadata.requires_python)]
        elif (project := self._project(name)) is not None:
            files = [
                file
                for version, group in project.versions.items()
                if (name, version) not in self._skipped
                for file in self._offered(name, version, group)
            ]
        else:
            return None
        return {"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": files}

    def metadata(self, name: str, file: str) -> str | None:
        """Returns METADATA of a file on a page; None for an sdist that does not report it. Raises PackageError."""
        if local := self.locals.get(name):
            return local.metadata.text()
        project = self._project(name)
        found = Version(origins.name_and_version(file, name)[1])
        group = project.versions.get(found, ()) if project else ()
        if project is None or not group:
            raise PackageError(f"cannot read the metadata of {file}: no index has it")
        for package in group:
            if package.filename == file:
                return remote_metadata.of_wheel(self.builder.store, self.builder.index, project.source, package)
        package = next(item for item in group if item.is_sdist)
        locked = _locked(package, project.source)
        self.builder.index.fetch_url(self.builder.store, locked, package.url, project.source)
        # One at a time: back ends run under the image's Python, and a resolver sends many requests at once.
        with self._lock:
            try:
                return self._of_sdist(locked)
            except UnknownMetadata as error:
                self.unusable[name, found] = error
                return None

    def _of_sdist(self, file: LockedFile) -> str:
        """Returns the metadata that the sdist reports; caches failures too, because a new build fails again."""
        builder = self.builder
        inputs = {
            "source": file.sha256,
            "builds": sdist.identity(),
            "root": builder.context,
            "python": builder.interpreter.version,
            "machine": builder.interpreter.markers["platform_machine"],
        }
        key = action_key("unknown metadata", FORMAT_VERSION, inputs)
        if known := builder.store.recall(key):
            raise UnknownMetadata(str(known["reason"]))
        try:
            return metadata.of_sdist(builder, file).text()
        except UnknownMetadata as error:
            builder.store.remember(key, {"reason": error.message})
            raise

    def skip_unusable(self) -> bool:
        """Removes unusable versions from the offers; returns whether there were any left."""
        before = len(self._skipped)
        self._skipped |= self.unusable.keys()
        return len(self._skipped) > before

    def chosen(self, name: str, version: str, required_by: tuple[str, ...]) -> LockedPackage:
        """Returns the package in a lock's form: every file of the version; raises PackageError."""
        if local := self.locals.get(name):
            return LockedPackage(
                name, local.metadata.version, files=local.files, required_by=required_by, origin=local.origin
            )
        project = self._project(name)
        assert project is not None
        group = project.versions[Version(version)]
        files = sorted((_locked(package, project.source) for package in group), key=lambda item: item.name)
        return LockedPackage(
            name, version, files=tuple(files), required_by=required_by, origin=self._origin(project.source)
        )

    # ---------------------------------------------------------------------------------------------

    def _origin(self, source: Source) -> FromIndex:
        return (self.configured or self.builder.index).origin_of(source)

    def _project(self, name: str) -> IndexProject | None:
        if name not in self._projects:
            self._projects[name] = self._look(name)
        return self._projects[name]

    def _look(self, name: str) -> IndexProject | None:
        for source in self._sources(name):
            found = self.builder.index.project(source, name)
            if found is not None and found.versions:
                return self._as_of(name, found)
        return None

    def _as_of(self, name: str, project: IndexProject) -> IndexProject:
        if self.as_of is None:
            return project
        if project.is_undated():
            if self.is_lenient:
                return project
            raise LockError(
                f"the package index {origins.public(project.source.url)} does not report upload times for {name} (PEP "
                "700), so packages cannot be resolved as of a past date",
                advice="lock the connector at the current date: run `lock` with --resolve-as-of=now",
            )
        groups = {
            version: tuple(file for file in files if file.uploaded and file.uploaded <= self.as_of)
            for version, files in project.versions.items()
        }
        return IndexProject(project.source, {version: files for version, files in groups.items() if files})

    def _sources(self, name: str) -> list[Source]:
        index = self.builder.index
        if pin := self.pins.get(name):
            if pin.lower() == "pypi":
                return list(index.sources()[:1])
            found = [source for source in index.named if source.name.lower() == pin.lower()]
            if not found:
                raise LockError(f"{name} must come from the index {pin!r}, which is not configured")
            return found[:1]
        main, *extra = index.sources()
        # If a private index is configured next to the public one, it is the source of the names that it has.
        return sorted((*extra, main), key=lambda source: origins.index(source.url) == origins.index(PUBLIC.url))

    def _offered(self, name: str, version: Version, group: tuple[IndexFile, ...]) -> list[dict[str, Any]]:
        """Returns the wheels that the image can use, or one that represents the sdist."""
        usable = [file for file in group if not file.is_sdist and self._is_usable(file.filename)]
        if usable:
            return [_page_file(name, file.filename, file.requires_python, file.yanked) for file in usable]
        source = next((file for file in group if file.is_sdist), None)
        return (
            [_page_file(name, _stand_in(name, str(version)), source.requires_python, source.yanked)] if source else []
        )

    def _is_usable(self, filename: str) -> bool:
        # hot: a page has thousands of wheels, of few different tags.
        tags = "-".join(filename.removesuffix(".whl").split("-")[-3:])
        if tags not in self._usable:
            self._usable[tags] = wheel.choose([LockedFile(filename, "")], self._order) is not None
        return self._usable[tags]


def _stand_in(name: str, version: str) -> str:
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def _page_file(name: str, filename: str, requires_python: str | None, yanked: str | None = None) -> dict[str, Any]:
    return {
        "filename": filename,
        "url": f"/files/{name}/{filename}",
        "hashes": {},
        "requires-python": requires_python,
        "core-metadata": True,
        "yanked": yanked or False,
    }


def _locked(package: IndexFile, source: Source) -> LockedFile:
    if not package.sha256:
        raise PackageError(
            f"{package.filename} has no sha256 on {origins.public(source.url)}, so it cannot be locked",
            advice="use an index that gives sha256 hashes (PEP 503)",
        )
    return LockedFile(package.filename, Digest(package.sha256).hex, origins.public(package.url))
