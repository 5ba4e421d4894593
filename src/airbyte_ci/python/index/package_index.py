"""Package indexes: finds a locked file by name and hash, and downloads it into the store.

Decides which indexes may be used for a package and which files a lock accepts; `simple_api` implements the protocol.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index import find_links, index_settings
from airbyte_ci.python.index.index_settings import NO_ACCESS, Access, Source
from airbyte_ci.python.packages import origins
from airbyte_ci.python.packages.lock import THE_INDEX, FromIndex, LockedFile

if TYPE_CHECKING:  # slow to import, and most builds query no index
    from airbyte_ci.python.index.index_project import IndexProject

PUBLIC = Source("https://pypi.org/simple/")
# A callback for downloads: the file's name, the bytes received so far, and the total.
Moved = Callable[[str, int, int], None]


def untold(*_: object) -> None:
    """Ignores progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageIndex:
    """The indexes to search, in order; without a main index, the public default. Threads may share it.

    `named` are indexes used only for packages that name them, by URL or by name; `find_links` are folders and pages
    searched with the main ones. `moved` receives download progress, and `say` that another process downloads the file;
    `variables` are those that requirements may name in an index URL.
    """

    main: str | None = field(repr=False)
    extra: tuple[str, ...] = field(default=(), repr=False)
    offline: bool = False
    access: Access = NO_ACCESS
    named: tuple[Source, ...] = ()
    moved: Moved = field(default=untold, repr=False, compare=False)
    say: Callable[[str], None] = field(default=untold, repr=False, compare=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, offline: bool = False) -> "PackageIndex":
        """Returns the indexes from the variables and files of pip and uv; raises ConfigurationError if invalid."""
        settings = index_settings.read(environment)
        extra = tuple(source.url for source in settings.extra if not source.explicit)
        everything = (*((settings.main,) if settings.main else ()), *settings.extra)
        main = settings.main.url if settings.main else None
        named = tuple(item for item in everything if item.name)
        links = settings.find_links
        return cls(
            main=main,
            extra=extra,
            offline=offline,
            access=settings.access,
            named=named,
            find_links=links,
            variables=environment,
        )

    def also(self, declared: Iterable[tuple[Source, bool]]) -> "PackageIndex":
        """Returns these indexes with those that a project declares, each with whether it replaces the public one.

        The user's settings win: their main index stays.
        """
        sources = [(source, main) for source, main in declared if origins.index(source.url) != THE_INDEX]
        extra = [source.url for source, main in sources if not main and not source.explicit]
        main = self.main or next((source.url for source, main in sources if main), None)
        named = (*self.named, *(source for source, _ in sources if source.name))
        return replace(self, main=main, extra=(*extra, *self.extra), named=named)

    # --- which indexes -----------------------------------------------------------------------------

    def sources(self, origin: FromIndex = THE_INDEX) -> tuple[Source, ...]:
        """Returns the indexes that may be used for a package of this origin, in order."""
        if origin != THE_INDEX:
            return (self._configured(origin),)
        return tuple(self._source(url) for url in (self.main or PUBLIC.url, *self.extra))

    def _source(self, url: str) -> Source:
        name = next((item.name for item in self.named if item.url == url), "")
        return Source(url, name)

    def _configured(self, origin: FromIndex) -> Source:
        """Returns an index that a lock names, with its configured login and name."""
        urls = [*([self.main] if self.main else []), *self.extra, *(item.url for item in self.named)]
        url = next((url for url in urls if origins.public(url).rstrip("/") == origin.url), origin.url)
        source = self._source(url)
        return source if source.name else replace(source, name=origin.name)

    # --- what they have ----------------------------------------------------------------------------

    def fetch(self, store: Store, project: str, file: LockedFile, origin: FromIndex = THE_INDEX) -> Digest:
        """Returns the file's bytes, in the store under its hash; raises PackageError if no index has that file."""
        digest = Digest(file.sha256)
        if not store.has(digest):
            with store.turns.take(digest, say=self.say):
                self._bring(store, project, file, origin)
        return digest

    def _bring(self, store: Store, project: str, file: LockedFile, origin: FromIndex) -> None:
        digest = Digest(file.sha256)
        if store.has(digest) or self._copied(store, project, file, origin) or self._fetch_directly(store, file, origin):
            return
        source, url, size = self._locate(project, file, origin)
        self._online(file.name).download(
            store, file.name, source=source, url=url, size=size, expected=digest, moved=self.moved
        )

    def fetch_url(self, store: Store, file: LockedFile, url: str, source: Source | None = None) -> Digest:
        """Returns the same for a file with a known location (`name @ https://…`)."""
        digest = Digest(file.sha256)
        if not store.has(digest):
            with store.turns.take(digest, say=self.say):
                if not store.has(digest):
                    place = source or Source(url)
                    self._online(file.name).download(
                        store, file.name, source=place, url=url, size=None, expected=digest, moved=self.moved
                    )
        return digest

    def take(self, store: Store, url: str) -> LockedFile:
        """Returns the current content of a file without a known hash; raises PackageError."""
        name = origins.file_name(url)
        taken = self._online(name).download(
            store, name, source=Source(url), url=url, size=None, expected=None, moved=self.moved
        )
        return LockedFile(name, taken.hex)

    def get(self, source: Source, url: str, headers: Mapping[str, str], *, stream: bool = False) -> Any:  # noqa: ANN401  # requests is imported late
        """Returns another response of an index (a requests.Response), such as a part of a file; raises PackageError."""
        return self._online(origins.file_name(url)).get(source, url, headers, stream=stream)

    def files(
        self, project: str, hashes: frozenset[str], origin: FromIndex = THE_INDEX
    ) -> tuple[tuple[LockedFile, FromIndex], ...]:
        """Returns the files with these sha256 (hex) and their locations, for locks that record hashes without names."""
        links = self.find_links if origin == THE_INDEX else ()
        local = [(file, THE_INDEX) for file, _ in self.linked(project, hashes, filter(find_links.is_folder, links))]
        if hashes <= {file.sha256 for file, _ in local}:
            return tuple(local)
        found = [
            (LockedFile(package.filename, package.digests["sha256"]), self.origin_of(source))
            for source, package in self._packages(project, project, origin, lambda _, sha256: sha256 in hashes)
        ]
        rest = hashes - {file.sha256 for file, _ in (*found, *local)}
        pages = self.linked(project, rest, filter(find_links.is_page, links)) if rest else ()
        return (*found, *local, *((file, THE_INDEX) for file, _ in pages))

    def linked(self, project: str, hashes: frozenset[str], places: Iterable[str]) -> Iterator[tuple[LockedFile, str]]:
        """Returns the files with these sha256 (hex) in find-links, and their locations."""
        for place in places:
            if find_links.is_folder(place):
                for path in find_links.in_folder(place, project):
                    if (sha256 := find_links.sha256(path)) in hashes:
                        yield LockedFile(path.name, sha256), f"{place.rstrip('/')}/{path.name}"
                continue
            for package in self._online(project).linked(place).packages:
                sha256 = package.digests.get("sha256", "")
                if sha256 in hashes and find_links.is_of(package.filename, project):
                    yield LockedFile(package.filename, sha256), package.url.partition("#")[0]

    def origin_of(self, source: Source) -> FromIndex:
        """Returns how a lock names this index: the main one is unnamed."""
        if source.url == (self.main or PUBLIC.url):
            return THE_INDEX
        return replace(origins.index(source.url), name=source.name)

    def origins(self) -> frozenset[FromIndex]:
        """Returns how locks name the indexes for packages without an explicit index."""
        return frozenset(map(self.origin_of, self.sources()))

    def project(self, source: Source, name: str) -> "IndexProject | None":
        """Returns a project's files on one index, read once per command; None if the index does not have it."""
        if self.offline:
            raise PackageError(
                f"cannot query the package index for {name}: --offline is set, and nothing is cached",
                advice="run the command once without --offline, or lock the connector",
                error_id="not-cached",
            )
        found: IndexProject | None = self._online(name).project(source, name)
        return found

    def _copied(self, store: Store, project: str, file: LockedFile, origin: FromIndex) -> bool:
        """Copies the file from a find-links folder, if one has exactly that file."""
        if origin != THE_INDEX:
            return False
        for place in filter(find_links.is_folder, self.find_links):
            for path in find_links.in_folder(place, project):
                if path.name == file.name and find_links.sha256(path) == file.sha256:
                    store.put(path.read_bytes())
                    return True
        return False

    def _fetch_directly(self, store: Store, file: LockedFile, origin: FromIndex) -> bool:
        """Returns the file by the URL in the lock, unless a configured index replaces the public one."""
        if not file.url or self.offline or (origin == THE_INDEX and self.main):
            return False
        try:
            source = self.sources(origin)[0]
            digest = Digest(file.sha256)
            self._online(file.name).download(
                store, file.name, source=source, url=file.url, size=None, expected=digest, moved=self.moved
            )
        except PackageError:
            return False  # The index page has the current location, or shows that the file is gone.
        return True

    def _locate(self, project: str, file: LockedFile, origin: FromIndex) -> tuple[Source, str, int | None]:
        other: str | None = None

        def wanted(name: str, _sha256: str | None) -> bool:
            return name == file.name

        packages = self._packages(project, file.name, origin, wanted)
        for source, package in chain(packages, self._on_pages(file, origin)):
            if package.filename == file.name:
                found = package.digests.get("sha256")
                if found in (None, file.sha256):
                    return source, package.url, package.size
                other = found
        if other:
            raise PackageError(
                f"cannot fetch {file.name}: the index has a file with this name but another hash ({other[:12]}…, "
                f"locked {file.sha256[:12]}…)",
                advice="find out why the file changed before you lock again",
                error_id="package-hash-mismatch",
            )
        looked = (
            f"indexes searched: {len(self.sources(origin))}" if origin == THE_INDEX else f"the lock names {origin.url}"
        )
        if origin == THE_INDEX and self.find_links:
            looked += f", find-links searched: {len(self.find_links)}"
        raise PackageError(
            f"cannot fetch {file.name}: no index has it",
            advice=f"lock again, or set an index that has it ({looked})",
            error_id="package-not-found",
        )

    def _packages(
        self, project: str, shown: str, origin: FromIndex, wanted: Callable[[str, str | None], bool]
    ) -> Iterator[tuple[Source, Any]]:
        api = self._online(shown)
        for source in self.sources(origin):
            for package in api.files(source, project, wanted):
                yield source, package

    def _on_pages(self, file: LockedFile, origin: FromIndex) -> Iterator[tuple[Source, Any]]:
        for place in filter(find_links.is_page, self.find_links if origin == THE_INDEX else ()):
            yield from ((Source(place), package) for package in self._online(file.name).linked(place).packages)

    def _online(self, wanted: str) -> Any:  # noqa: ANN401  # requests is imported late
        if self.offline:
            raise PackageError(
                f"cannot fetch {wanted}: it is not cached, and --offline is set",
                advice="run the command once without --offline",
                error_id="not-cached",
            )
        return _api(self.access)


@functools.cache
def _api(access: Access) -> Any:  # noqa: ANN401  # requests is imported late
    """Imports the network side on first use: it costs 0.4 s, and most builds do not need it."""
    from airbyte_ci.python.index.simple_api import SimpleApi

    return SimpleApi(access=access)


def forget_answers() -> None:
    """Allows queries to be repeated: the index's pages and its login were cached for one command."""
    _api.cache_clear()
