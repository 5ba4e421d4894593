"""One HTTP exchange: connections, proxies, CA bundles. Knows neither the registry protocol nor credentials.

Proxies and CA bundles come from the usual variables (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE, SSL_CERT_FILE), as
`requests` reads them. Without proxies, `urllib3` is used directly: `requests` is built on it, and importing that takes
longer than pushing a changed line.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airbyte_ci.errors import RegistryError
from airbyte_ci.records import dataclass
from airbyte_ci.registry.endpoint import is_loopback
from airbyte_ci.registry.failures import no_answer

# Importing them takes three times as long as the rest of the client, and most builds send no request.
if TYPE_CHECKING:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import BaseHTTPResponse, PoolManager

_SMALL = 64 << 10
# The size of a read, and so the most that is lost when a connection breaks.
_PIECE = 128 << 10
_PUT_PATIENCE = 5
# The variables of proxies: only `requests` understands them, and their exceptions, in full.
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
# The variables of CA bundles in the order in which they are used.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_HOSTS = 16
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

    def __init__(self, response: "BaseHTTPResponse", method: str, registry: str) -> None:
        self._response = response
        self._method = method
        self._registry = registry
        self._opened = self._consumed = False
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    def chunks(self) -> Iterator[bytes]:
        """Yields the body without its transfer encoding; raises Transient if it is truncated."""
        import urllib3

        self._opened = True
        try:
            yield from self._response.stream(_PIECE, decode_content=True)
        except urllib3.exceptions.ReadTimeoutError as error:
            broken = urllib3.exceptions.ProtocolError("the body was not sent to its end", error)
            raise no_answer(self._registry, broken) from None
        except urllib3.exceptions.HTTPError as error:
            raise no_answer(self._registry, error) from None
        self._consumed = True

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
        no_body = self._method == "HEAD"
        if not self._opened and (no_body or int_header(self.headers, "Content-Length", 0) <= _SMALL):
            self.peek()
        if not self._consumed:
            self._response.close()
        self._response.release_conn()

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
        self._direct: PoolManager | None = None
        self._opened: tuple[requests.Session, HTTPAdapter] | None = None
        self._settings: dict[str, Mapping[str, Any]] = {}
        self._has_proxies = any(value and name.lower() in _PROXIES for name, value in os.environ.items())

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: RequestBody | bytes | None, *, registry: str
    ) -> Answer:
        """Returns the server's answer with any status; raises Transient if there is none."""
        # A registry may move a whole blob in its storage before it answers a PUT.
        patience = (self._timeout, self._timeout * (_PUT_PATIENCE if method == "PUT" else 1))
        data = body or b""  # an empty stream would be sent without a length
        # Through a proxy, loopback would be another machine's loopback.
        is_direct = not self._has_proxies or is_loopback(urlsplit(url).netloc)
        send = self._send_directly if is_direct else self._send
        return Answer(send(method, url, self._headers(headers), data, patience, registry), method, registry)

    def _send_directly(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        data: RequestBody | bytes,
        patience: tuple[float, float],
        registry: str,
    ) -> "BaseHTTPResponse":
        import urllib3

        has_length = bool(data) or method not in ("GET", "HEAD")
        try:
            return self._pools().urlopen(
                method,
                url,
                body=data or None,
                headers={**headers, "Content-Length": str(len(data))} if has_length else headers,
                timeout=urllib3.Timeout(connect=patience[0], read=patience[1]),
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except (urllib3.exceptions.HTTPError, UnicodeError, ValueError) as error:
            raise no_answer(registry, error) from None

    def _pools(self) -> "PoolManager":
        """Returns the connection pools, created for the first request."""
        import urllib3

        from airbyte_ci.registry.pace import POOLS

        with self._lock:
            if self._direct is None:
                place = _bundle()
                trusted: Any = {"ca_cert_dir" if Path(place).is_dir() else "ca_certs": place}
                made = urllib3.PoolManager(_HOSTS, maxsize=_KEPT, cert_reqs="CERT_REQUIRED", **trusted)
                made.pool_classes_by_scheme = POOLS
                self._direct = made
            return self._direct

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        data: RequestBody | bytes,
        patience: tuple[float, float],
        registry: str,
    ) -> "BaseHTTPResponse":
        import requests

        session, adapter = self._open()
        try:
            prepared = requests.Request(method, url, headers=dict(headers), data=data).prepare()
            settings = self._environment(session, prepared.url or url)
            response = adapter.send(prepared, stream=True, timeout=patience, **settings)
        except (requests.RequestException, UnicodeError) as error:
            raise no_answer(registry, error) from None
        found: BaseHTTPResponse = response.raw
        return found

    def close(self) -> None:
        with self._lock:
            for item in self._opened or ():
                item.close()
            if self._direct:
                self._direct.clear()
            self._opened = self._direct = None

    def _open(self) -> "tuple[requests.Session, HTTPAdapter]":
        """Returns the session and the connection pool, created for the first request.

        Only the session's knowledge of the environment is used: it would follow redirects with credentials, read .netrc
        and keep cookies.
        """
        import requests

        from airbyte_ci.registry.paced_adapter import PacedAdapter

        with self._lock:
            if self._opened is None:
                adapter = PacedAdapter(pool_connections=_HOSTS, pool_maxsize=_KEPT, max_retries=0)
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


def _bundle() -> str:
    """Returns the user's certificates, else those that `requests` trusts by default."""
    for name in _BUNDLES:
        if place := os.environ.get(name):
            return place
    import certifi

    return certifi.where()
