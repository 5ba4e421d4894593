"""One HTTP exchange: connections, proxies, CA bundles. Knows neither the registry protocol nor credentials.

Proxies and CA bundles come from the usual variables (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE, SSL_CERT_FILE), as
`requests` reads them.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airbyte_ci.errors import RegistryError
from airbyte_ci.registry.endpoint import is_loopback
from airbyte_ci.registry.failures import no_answer

# Importing `requests` takes three times as long as the rest of the client, and most builds send no request.
if TYPE_CHECKING:
    import requests
    from requests.adapters import HTTPAdapter

_SMALL = 64 << 10
# The size of a read, and so the most that is lost when a connection breaks.
_PIECE = 128 << 10
_PUT_PATIENCE = 5
# Connections kept open per host; more may be opened, and are closed after use.
_KEPT = 64


@dataclass(frozen=True, slots=True)
class RequestBody:
    """Bytes to send, of known size, that can be read again for a retry."""

    size: int
    open: Callable[[], Iterator[bytes]]

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        return self.open()


class Answer:
    """A response whose body is read once; errors while reading it are registry errors."""

    def __init__(self, response: "requests.Response", registry: str) -> None:
        self._response = response
        self._registry = registry
        self._opened = False
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    def chunks(self) -> Iterator[bytes]:
        """Yields the body without its transfer encoding; raises Transient if it is truncated."""
        import requests

        self._opened = True
        try:
            yield from self._response.iter_content(_PIECE)
        except requests.RequestException as error:
            raise no_answer(self._registry, error) from None

    def read(self, limit: int) -> bytes:
        """Returns a small body; raises RegistryError if it is larger than `limit` bytes."""
        parts: list[bytes] = []
        for chunk in self.chunks():
            parts.append(chunk)
            if sum(map(len, parts)) > limit:
                raise RegistryError(f"{self._registry} sent more than {limit} bytes")
        return b"".join(parts)

    def peek(self) -> bytes:
        """Returns the first bytes of the body, as the error's description, if they arrive."""
        try:
            return next(self.chunks(), b"")[:_SMALL]
        except RegistryError:
            return b""

    def close(self) -> None:
        """Returns the connection to the pool; reads a small rest of the body first, so that it can be reused."""
        no_body = self._response.request.method == "HEAD"
        if not self._opened and (no_body or int_header(self.headers, "Content-Length", 0) <= _SMALL):
            self.peek()
        self._response.close()

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def int_header(headers: Mapping[str, str], name: str, default: int) -> int:
    """Returns a header's number, or `default` if it is missing or not a number."""
    value = headers.get(name, "").strip()
    return int(value) if value.isdecimal() and len(value) < 19 else default


class Transport:
    """A pool of connections that any number of threads may use."""

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._opened: tuple[requests.Session, HTTPAdapter] | None = None
        self._settings: dict[str, Mapping[str, Any]] = {}

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: RequestBody | bytes | None, *, registry: str
    ) -> Answer:
        """Returns the server's answer with any status; raises Transient if there is none."""
        import requests

        session, adapter = self._open()
        try:
            data = body or b""  # an empty stream would be sent without a length
            prepared = requests.Request(method, url, headers=self._headers(headers), data=data).prepare()
            settings = self._environment(session, prepared.url or url)
            # A registry may move a whole blob in its storage before it answers a PUT.
            patience = (self._timeout, self._timeout * (_PUT_PATIENCE if method == "PUT" else 1))
            response = adapter.send(prepared, stream=True, timeout=patience, **settings)
        except (requests.RequestException, UnicodeError) as error:
            raise no_answer(registry, error) from None
        return Answer(response, registry)

    def close(self) -> None:
        with self._lock:
            for item in self._opened or ():
                item.close()
            self._opened = None

    def _open(self) -> "tuple[requests.Session, HTTPAdapter]":
        """Returns the session and the connection pool, created for the first request.

        Only the session's knowledge of the environment is used: it would follow redirects with credentials, read .netrc
        and keep cookies.
        """
        import requests

        from airbyte_ci.registry.pace import PacedAdapter

        with self._lock:
            if self._opened is None:
                adapter = PacedAdapter(pool_connections=16, pool_maxsize=_KEPT, max_retries=0)
                self._opened = requests.Session(), adapter
            return self._opened

    @staticmethod
    def _headers(headers: Mapping[str, str]) -> dict[str, str]:
        # Digests cover the stored bytes, so no transfer compression is allowed.
        return {"User-Agent": "airbyte-ci", "Accept-Encoding": "identity", **headers}

    def _environment(self, session: "requests.Session", url: str) -> Mapping[str, Any]:
        """Returns proxies and CA bundle for the URL's host, looked up once per host because the look-up is slow."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._settings:
            merged = session.merge_environment_settings(origin, {}, stream=True, verify=None, cert=None)
            if merged["verify"] is True:
                merged["verify"] = os.environ.get("SSL_CERT_FILE") or True
            # Through a proxy, loopback would be another machine's loopback.
            proxies = {} if is_loopback(parts.netloc) else merged["proxies"]
            self._settings[origin] = {"proxies": proxies, "verify": merged["verify"], "cert": merged["cert"]}
        return self._settings[origin]
