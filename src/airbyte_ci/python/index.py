"""Package indexes: finds a locked file by name and hash, and brings it into the store.

Knows where people configure their index and what a lock may accept; how an index is spoken to is `simple_api`'s.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store import Store
from airbyte_ci.python.lock import LockedFile

# What pip and uv users have set already.
_MAIN_VARIABLES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_EXTRA_VARIABLES = ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """The indexes to look in, first one first; no main one means the public default. Safe to share by threads."""

    main: str | None
    extra: tuple[str, ...] = ()
    offline: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, offline: bool = False) -> "PackageIndex":
        """The indexes of pip's and uv's variables."""
        main = next((_url(environment[name]) for name in _MAIN_VARIABLES if environment.get(name)), None)
        extra = (_url(text) for name in _EXTRA_VARIABLES for text in environment.get(name, "").split())
        return cls(main, tuple(url for url in extra if url.startswith(("http://", "https://"))), offline)

    def fetch(self, store: Store, project: str, file: LockedFile) -> Digest:
        """The file's bytes, in the store under its hash; raises PackageError when no index has just that file."""
        digest = Digest(file.sha256)
        if not store.has(digest):
            url, size = self._locate(project, file)
            _api().download(store, file.name, url, size, digest)
        return digest

    def files(self, project: str, hashes: frozenset[str]) -> tuple[LockedFile, ...]:
        """The names of the files with these sha256 (hex), for locks that record hashes without names."""
        return tuple(
            LockedFile(package.filename, package.digests["sha256"])
            for package in self._packages(project, project)
            if package.digests.get("sha256") in hashes
        )

    def _locate(self, project: str, file: LockedFile) -> tuple[str, int | None]:
        other: str | None = None
        for package in self._packages(project, file.name):
            if package.filename == file.name:
                found = package.digests.get("sha256")
                if found in (None, file.sha256):
                    return package.url, package.size
                other = found
        if other:
            raise PackageError(
                f"fetching {file.name}: the index has a file of this name with another hash ({other[:12]}…, "
                f"locked {file.sha256[:12]}…)",
                advice="find out why before you lock again",
            )
        raise PackageError(
            f"fetching {file.name}: no index has it (any more)",
            advice=f"lock again, or set an index that has it (looked in {1 + len(self.extra)})",
        )

    def _packages(self, project: str, wanted: str) -> Iterator[Any]:
        if self.offline:
            raise PackageError(
                f"fetching {wanted}: it is not in the store, and --offline was given",
                advice="run once without it",
            )
        api = _api()
        for index in (self.main or api.default_url, *self.extra):
            page = api.page(index, project)
            yield from page.packages if page else ()


def _url(text: str) -> str:
    """uv lets an index have a name: `internal=https://…`."""
    name, equals, url = text.partition("=")
    return url if equals and "/" not in name else text


@functools.cache
def _api() -> Any:
    """The network side, imported when it is first needed: it costs 0.4 s, and most builds need nothing of it."""
    from airbyte_ci.python.simple_api import SimpleApi

    return SimpleApi()
