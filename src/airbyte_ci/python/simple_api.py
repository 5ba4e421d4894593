"""The simple API of one package index (PEP 503, PEP 691) through pypi-simple: pages and downloads with retries.

Slow to import, so it is imported only when something has to come over the network.
"""

import threading
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    NoSuchProjectError,
    ProjectPage,
    PyPISimple,
    UnsupportedRepoVersionError,
)

from airbyte_ci.errors import DigestMismatch, PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store import Store

_TRIES = 4
_TIMEOUT = (15, 120)
_RETRIED = (429, 500, 502, 503, 504)
Login = tuple[str, str]


@dataclass(slots=True)
class SimpleApi:
    """Talks to indexes; may be shared by threads."""

    _pages: dict[tuple[str, str], ProjectPage | None] = field(default_factory=dict)
    _local: threading.local = field(default_factory=threading.local)
    _logins: dict[str, Login] = field(default_factory=dict)

    @property
    def default_url(self) -> str:
        return PYPI_SIMPLE_ENDPOINT

    def page(self, index: str, project: str) -> ProjectPage | None:
        """The project's files on an index, asked once; None where the index does not have it."""
        key = (index, project)
        if key not in self._pages:
            self._remember_login(index)
            try:
                client = self._client()
                client.endpoint = index.rstrip("/") + "/"
                self._pages[key] = client.get_project_page(project, timeout=_TIMEOUT)
            except NoSuchProjectError:
                self._pages[key] = None
            except requests.RequestException as error:
                raise PackageError(f"looking for {project} in the package index: {_reason(error)}") from error
            except (UnsupportedRepoVersionError, ValueError) as error:
                # Their texts hold the URL, which may carry credentials.
                raise PackageError(
                    f"looking for {project} in the package index: its answer is not one ({type(error).__name__})"
                ) from error
        return self._pages[key]

    def download(self, store: Store, name: str, url: str, size: int | None, digest: Digest) -> None:
        """A file's bytes into the store; raises PackageError for other bytes and for an index that fails."""
        for attempt in range(1, _TRIES + 1):
            try:
                self._download(store, url, size, digest)
                return
            except DigestMismatch as error:
                raise PackageError(
                    f"fetching {name}: the index sent bytes that are not the locked ones ({error.message})",
                    advice="the index or something before it cannot be trusted; nothing was kept",
                ) from error
            except requests.RequestException as error:
                raise PackageError(f"fetching {name}: {_reason(error)}") from error
            except urllib3.exceptions.HTTPError as error:
                if attempt == _TRIES:
                    raise PackageError(f"fetching {name}: the index broke off ({type(error).__name__})") from error

    def _download(self, store: Store, url: str, size: int | None, digest: Digest) -> None:
        login = self._logins.get(urlsplit(url).netloc)
        # As it is: some servers call a .tar.gz a text that they compressed on the way, and it would be unpacked.
        headers = {"Accept-Encoding": "identity"}
        with self._client().s.get(url, stream=True, timeout=_TIMEOUT, headers=headers, auth=login) as response:
            response.raise_for_status()
            with store.writer(expected=digest, size=size) as writer:
                for chunk in response.raw.stream(1 << 18, decode_content=False):
                    writer.write(chunk)
                    if size is not None and writer.size > size:
                        break

    def _remember_login(self, index: str) -> None:
        """Pages may name files on their own host in full: the index's credentials are for these too, as with pip."""
        parts = urlsplit(index)
        if parts.username is not None:
            host = parts.netloc.rpartition("@")[2]
            self._logins[host] = (unquote(parts.username), unquote(parts.password or ""))

    def _client(self) -> PyPISimple:
        """One client per thread: a requests session is not promised to be shared."""
        if not hasattr(self._local, "client"):
            session = requests.Session()
            # A last bad status comes back as an answer, so that it can be told.
            retry = requests.adapters.Retry(3, backoff_factor=0.5, status_forcelist=_RETRIED, raise_on_status=False)
            for scheme in ("https://", "http://"):
                session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
            self._local.client = PyPISimple(session=session)
        client: PyPISimple = self._local.client
        return client


def _reason(error: requests.RequestException) -> str:
    """One line without the URL, which may carry credentials."""
    if error.response is not None:
        return f"the index answered {error.response.status_code} {error.response.reason}"
    return f"the index could not be reached ({type(error).__name__})"
