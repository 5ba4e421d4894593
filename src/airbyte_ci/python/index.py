"""Package indexes: finds a locked file by name and hash, and brings it into the store.

Knows the simple API (through pypi-simple) and where people configure their index; nothing of what wheels hold.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests
from pypi_simple import PYPI_SIMPLE_ENDPOINT, NoSuchProjectError, ProjectPage, PyPISimple

from airbyte_ci.errors import DigestMismatch, PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store import Store
from airbyte_ci.python.lock import LockedFile

_TRIES = 4
_TIMEOUT = (15, 120)


@dataclass(slots=True)
class PackageIndex:
    """The indexes to look in, first one first. Safe to use from several threads."""

    urls: tuple[str, ...]
    offline: bool = False
    _pages: dict[tuple[str, str], ProjectPage | None] = field(default_factory=dict, repr=False)
    _local: threading.local = field(default_factory=threading.local, repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, offline: bool = False) -> "PackageIndex":
        """What pip and uv users have set already: the index, and extra ones."""
        main = next((environment[name] for name in _INDEX_VARIABLES if environment.get(name)), PYPI_SIMPLE_ENDPOINT)
        extra = (url for name in _EXTRA_VARIABLES for url in environment.get(name, "").split())
        return cls((main, *(url for url in extra if url.startswith(("http://", "https://")))), offline)

    def fetch(self, store: Store, project: str, file: LockedFile) -> Digest:
        """The file's bytes, in the store under its hash; raises PackageError when no index has just that file."""
        digest = Digest(file.sha256)
        if store.has(digest):
            return digest
        if self.offline:
            raise PackageError(
                f"fetching {file.name}: it is not in the store, and --offline was given", advice="run once without it"
            )
        url, size = self._locate(project, file)
        for attempt in range(1, _TRIES + 1):
            try:
                self._download(store, url, size, digest)
                return digest
            except DigestMismatch as error:
                raise PackageError(
                    f"fetching {file.name}: the index sent bytes that are not the locked ones ({error.message})",
                    advice="the index or something before it cannot be trusted; nothing was kept",
                ) from error
            except requests.RequestException as error:
                if attempt == _TRIES or not _passing(error):
                    raise PackageError(f"fetching {file.name}: {_reason(error)}") from error
        raise AssertionError("unreachable")

    def files(self, project: str, hashes: frozenset[str]) -> tuple[LockedFile, ...]:
        """The names of the files with these sha256 (hex), for locks that record hashes without names."""
        found = {}
        for index in self.urls:
            page = self._page(index, project)
            for package in page.packages if page else ():
                digest = package.digests.get("sha256", "")
                if digest in hashes:
                    found[package.filename] = LockedFile(package.filename, digest)
        return tuple(found.values())

    def _download(self, store: Store, url: str, size: int | None, digest: Digest) -> None:
        session = self._client().s
        with session.get(url, stream=True, timeout=_TIMEOUT) as response:
            response.raise_for_status()
            with store.writer(expected=digest, size=size) as writer:
                for chunk in response.iter_content(1 << 18):
                    writer.write(chunk)

    def _locate(self, project: str, file: LockedFile) -> tuple[str, int | None]:
        other: str | None = None
        for index in self.urls:
            page = self._page(index, project)
            for package in page.packages if page else ():
                if package.filename != file.name:
                    continue
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
            advice=f"lock again, or set an index that has it (looked in {len(self.urls)})",
        )

    def _page(self, index: str, project: str) -> ProjectPage | None:
        key = (index, project)
        if key not in self._pages:
            try:
                client = self._client()
                client.endpoint = index.rstrip("/") + "/"
                self._pages[key] = client.get_project_page(project, timeout=_TIMEOUT)
            except NoSuchProjectError:
                self._pages[key] = None
            except requests.RequestException as error:
                raise PackageError(f"looking for {project} in the package index: {_reason(error)}") from error
        return self._pages[key]

    def _client(self) -> PyPISimple:
        """One client per thread: a requests session is not promised to be shared."""
        if not hasattr(self._local, "client"):
            session = requests.Session()
            retrying = requests.adapters.HTTPAdapter(
                max_retries=requests.adapters.Retry(3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
            )
            session.mount("https://", retrying)
            session.mount("http://", retrying)
            self._local.client = PyPISimple(session=session)
        client: PyPISimple = self._local.client
        return client


_INDEX_VARIABLES = ("AIRBYTE_CI_INDEX_URL", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_EXTRA_VARIABLES = ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


def _passing(error: requests.RequestException) -> bool:
    return error.response is None or error.response.status_code >= 500 or error.response.status_code == 429


def _reason(error: requests.RequestException) -> str:
    """One line without the URL, which may carry credentials."""
    if error.response is not None:
        return f"the index answered {error.response.status_code} {error.response.reason}"
    return f"the index could not be reached ({type(error).__name__})"


