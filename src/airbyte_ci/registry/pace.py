"""A minimum pace for HTTP responses: a server that sends one byte a second is treated like a silent one.

The timeout of a socket only limits silence. The pace limits the time spent waiting within a response, after its first
byte. It excludes the server's time before the response, and the reader's time between reads. Slow to import.
"""

import functools
import io
import ssl
import time
from pathlib import Path
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse
from urllib3.util.ssl_ import create_urllib3_context

# After this many seconds of waiting, a response must have arrived at this average rate.
_PATIENCE = 60.0
_LEAST = 1024


class _Reader(io.RawIOBase):
    """The bytes of one response."""

    def __init__(self, source: io.RawIOBase) -> None:
        self._source = source
        self._waited = 0.0
        self._bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        began = time.monotonic()
        count = self._source.readinto(buffer)
        if self._bytes:
            self._waited += time.monotonic() - began
        self._bytes += count or 0
        if self._waited > _PATIENCE and self._bytes < self._waited * _LEAST:
            raise TimeoutError(f"{self._bytes} bytes came in {self._waited:.0f} s")
        return count

    def fileno(self) -> int:
        return self._source.fileno()

    def close(self) -> None:
        self._source.close()
        super().close()


class _Socket:
    """A socket from which `http.client` reads a response."""

    def __init__(self, connected: Any) -> None:
        self._connected = connected

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._connected.makefile("rb", buffering=0)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)


def _answer(connection: Any, read: Any) -> HTTPResponse:
    connected = connection.sock
    connection.sock = _Socket(connected)
    try:
        answer: HTTPResponse = read()
    finally:
        if connection.sock is not None:  # closed otherwise: no bytes follow this response
            connection.sock = connected
    return answer


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        return _answer(self, super().getresponse)


@functools.cache
def _trusting(authorities: str, _changed: int) -> ssl.SSLContext:
    """Returns the context of all connections that trust this file of certificates: reading it takes 15 ms."""
    context = create_urllib3_context()
    context.load_verify_locations(authorities)
    return context


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        if self.ssl_context is None and self.ca_certs and not self.cert_file:
            self.ssl_context = _trusting(self.ca_certs, Path(self.ca_certs).stat().st_mtime_ns)
            self.ca_certs = None
        super().connect()

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        return _answer(self, super().getresponse)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


# The connection pools that enforce the pace, by scheme, for a pool manager.
POOLS = {"http": _Pool, "https": _SecurePool}
