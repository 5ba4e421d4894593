"""The simple API of one package index (PEP 503, PEP 691) through pypi-simple: pages and downloads with retries.

Imported only when the network is needed, because it is slow to import.
"""

import functools
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from pypi_simple import (
    DistributionPackage,
    ProjectPage,
    PyPISimple,
    UnsupportedRepoVersionError,
)

from airbyte_ci.errors import DigestMismatch, PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index import index_project
from airbyte_ci.python.index.credentials import Credentials, Login
from airbyte_ci.python.index.index_project import IndexProject
from airbyte_ci.python.index.index_settings import NO_ACCESS, Access, Source, variable_name
from airbyte_ci.python.packages import origins
from airbyte_ci.registry.paced_adapter import PacedAdapter

_TRIES = 4
_TIMEOUT = (15, 120)
_RETRIED = (429, 500, 502, 503, 504)
_JSON = "application/vnd.pypi.simple.v1+json"
# Whether a file of this name and sha256 is wanted.
Wanted = Callable[[str, str | None], bool]


@dataclass(slots=True, kw_only=True)
class SimpleApi:
    """A client for indexes; threads may share it."""

    access: Access = NO_ACCESS
    _links: dict[str, ProjectPage] = field(default_factory=dict)
    _projects: dict[tuple[str, str], IndexProject | None] = field(default_factory=dict)
    _asking: dict[tuple[str, str], threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _local: threading.local = field(default_factory=threading.local)
    _logins: dict[str, Login] = field(default_factory=dict)
    _credentials: Credentials = field(init=False)

    def __post_init__(self) -> None:
        self._credentials = Credentials(self.access)

    def files(self, source: Source, project: str, wanted: Wanted) -> Sequence[DistributionPackage]:
        """Returns the project's files on an index that are `wanted`, by name and sha256 (hex, or None)."""
        page = self._asked(source, project, wanted)
        found = page.packages if page else ()
        return [package for package in found if wanted(package.filename, package.digests.get("sha256"))]

    def project(self, source: Source, name: str) -> IndexProject | None:
        """Returns the project on the index, read once; None if the index does not have it."""
        # The page itself is megabytes of objects for a large project: the pages of 82 projects took 250 MB.
        key = (source.url, name)
        with self._lock:
            asking = self._asking.setdefault(key, threading.Lock())
        with asking:
            if key not in self._projects:
                page = self._asked(source, name)
                self._projects[key] = index_project.of_page(source, name, page.packages) if page else None
        return self._projects[key]

    def linked(self, place: str) -> ProjectPage:
        """Returns a page of find-links, with the files of any project."""
        if (known := self._links.get(place)) is not None:
            return known
        what = f"cannot read the find-links page {_host(place)}"
        try:
            self._login(Source(place))
            response = self._get(place, {})
            response.raise_for_status()
            found = ProjectPage.from_response(response, "find-links")
        except requests.RequestException as error:
            raise PackageError(
                f"{what}: {_reason(error)}", advice=_advice(error, Source(place)), error_id="package-index-failed"
            ) from error
        except (UnsupportedRepoVersionError, ValueError) as error:
            raise PackageError(
                f"{what}: the answer is not a valid index page ({type(error).__name__})",
                error_id="package-index-failed",
            ) from error
        with self._lock:
            self._links[place] = found
        return found

    def _asked(self, source: Source, project: str, wanted: Wanted | None = None) -> ProjectPage | None:
        login = self._login(source)
        where = f"cannot query the package index {_host(source.url)} for {project}"
        try:
            client = self._client()
            client.endpoint = origins.public(source.url).rstrip("/") + "/"
            client.s.auth = login
            url = client.get_project_url(project)
            response = client.s.get(url, timeout=_TIMEOUT, headers={"Accept": client.accept})
            if response.status_code == 404:
                return None
            response.raise_for_status()
            return _page(response, project, wanted)
        except requests.RequestException as error:
            raise PackageError(
                f"{where}: {_reason(error)}", advice=_advice(error, source), error_id="package-index-failed"
            ) from error
        except (UnsupportedRepoVersionError, ValueError) as error:
            # Their texts contain the URL, which may have credentials.
            raise PackageError(
                f"{where}: the answer is not a valid index page ({type(error).__name__})",
                error_id="package-index-failed",
            ) from error

    def download(
        self,
        store: Store,
        name: str,
        source: Source,
        url: str,
        size: int | None,
        expected: Digest | None,
        moved: Callable[[str, int, int], None],
    ) -> Digest:
        """Downloads a file's bytes into the store and reports progress to `moved`.

        Raises PackageError for other bytes and for a failing index.
        """
        self._login(source)
        for attempt in itertools.count(1):
            try:
                return self._download(store, url, size=size, expected=expected, moved=functools.partial(moved, name))
            except DigestMismatch as error:
                raise PackageError(
                    f"cannot fetch {name}: the index sent a file that does not match the locked hash ({error.message})",
                    advice="do not use this index or proxy until you know the cause; nothing was stored",
                    error_id="package-hash-mismatch",
                ) from error
            except requests.RequestException as error:
                raise PackageError(
                    f"cannot fetch {name}: {_reason(error)}",
                    advice=_advice(error, source),
                    error_id="package-index-failed",
                ) from error
            except urllib3.exceptions.HTTPError as error:
                if attempt == _TRIES:
                    raise PackageError(
                        f"cannot fetch {name}: the download was interrupted ({type(error).__name__})",
                        error_id="package-index-failed",
                    ) from error
        raise AssertionError  # for mypy, which does not know that counting never ends

    def get(self, source: Source, url: str, headers: Mapping[str, str], *, stream: bool = False) -> requests.Response:
        """Another answer of an index, a part of a file for example; raises PackageError when it cannot be reached."""
        self._login(source)
        try:
            return self._get(url, headers, stream=stream)
        except requests.RequestException as error:
            raise PackageError(f"cannot query the package index {_host(url)}: {_reason(error)}") from error

    def _download(
        self, store: Store, url: str, size: int | None, expected: Digest | None, moved: Callable[[int, int], None]
    ) -> Digest:
        # As it is: some servers call a .tar.gz a text that they compressed on the way, and it would be unpacked.
        with self._get(url, {"Accept-Encoding": "identity"}, stream=True) as response:
            response.raise_for_status()
            promised = response.headers.get("Content-Length", "")
            total = size or (int(promised) if promised.isdecimal() else 0)
            with store.writer(expected=expected, size=size) as writer:
                for chunk in response.raw.stream(1 << 18, decode_content=False):
                    writer.write(chunk)
                    moved(writer.size, max(total, writer.size))
                    if size is not None and writer.size > size:
                        break
            return writer.digest

    def _get(self, url: str, headers: Mapping[str, str], *, stream: bool = False) -> requests.Response:
        session = self._client().s
        session.auth = self._logins.get(urlsplit(url).netloc)
        return session.get(url, stream=stream, timeout=_TIMEOUT, headers=headers)

    def _login(self, source: Source) -> Login | None:
        """Pages may name files on their own host in full: the index's credentials are for these too, as with pip.

        A lock names an index without its login: then the one counts with which its host was asked before.
        """
        login = self._credentials.of(source)
        if login is None:
            return self._logins.get(_host(source.url))
        self._logins[_host(source.url)] = login
        return login

    def _client(self) -> PyPISimple:
        """One client per thread, because a requests session is not guaranteed to be thread-safe."""
        if not hasattr(self._local, "client"):
            session = requests.Session()
            adapter = _Adapter(self.access)
            for scheme in ("https://", "http://"):
                session.mount(scheme, adapter)
            self._local.client = PyPISimple(session=session)
        client: PyPISimple = self._local.client
        return client


def _page(response: requests.Response, project: str, wanted: Wanted | None) -> ProjectPage:
    # hot: of a page's thousands of files all but one were taken apart, 4 s for 82 projects; raw, it is 0.4 s.
    if wanted and response.headers.get("Content-Type", "").startswith(_JSON):
        document = response.json()
        if isinstance(document, dict) and isinstance(document.get("files"), list):
            document["files"] = [file for file in document["files"] if _is_wanted(file, wanted)]
        return ProjectPage.from_json_data(document, response.url)
    return ProjectPage.from_response(response, project)


def _is_wanted(file: Any, wanted: Wanted) -> bool:  # noqa: ANN401  # pypi-simple is imported late
    """What is no file as PEP 691 has it is wanted too: the library says so."""
    hashes = file.get("hashes") if isinstance(file, dict) else None
    return not isinstance(hashes, dict) or wanted(file.get("filename"), hashes.get("sha256"))


class _Adapter(PacedAdapter):
    """Retries, and the user's certificates: a session's own would lose against REQUESTS_CA_BUNDLE."""

    def __init__(self, access: Access) -> None:
        # A last bad status comes back as an answer, so that it can be told; a bad certificate stays bad.
        retries = requests.adapters.Retry(
            3, other=0, backoff_factor=0.5, status_forcelist=_RETRIED, raise_on_status=False
        )
        super().__init__(max_retries=retries)
        self._access = access

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:  # noqa: ANN401  # requests' signature
        if self._access.ca_bundle:
            options["verify"] = self._access.ca_bundle
        if self._access.client_certificate:
            options["cert"] = self._access.client_certificate
        return super().send(request, *arguments, **options)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _advice(error: requests.RequestException, source: Source) -> str | None:
    if error.response is not None and error.response.status_code in (401, 403):
        name = variable_name(source.name) if source.name else ""
        variables = f"UV_INDEX_{name}_USERNAME and UV_INDEX_{name}_PASSWORD, or " if name else ""
        return f"give a login for {_host(source.url)}: {variables}in ~/.netrc, or in the index' URL"
    if isinstance(error, requests.exceptions.SSLError):
        return "if a private authority signed its certificate, set PIP_CERT or SSL_CERT_FILE to that authority's file"
    return None


def _reason(error: requests.RequestException) -> str:
    """Returns the error in one line without the URL, which may contain credentials."""
    if error.response is not None:
        return f"the index answered {error.response.status_code} {error.response.reason}"
    return f"the index could not be reached ({type(error).__name__})"
