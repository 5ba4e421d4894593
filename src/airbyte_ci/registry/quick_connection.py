"""A connection to a registry with only a socket, for a few small requests.

It knows no logins, proxies, redirects and retries: the client does. But the libraries of the client, and `http.client`,
take longer to import than these requests take.
"""

# The part of `socket` that is written in C: all of it takes longer to import than a request takes.
import _socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from airbyte_ci.records import dataclass

_PATIENCE = 5
_LIMIT = 64 << 10


@dataclass(frozen=True, slots=True)
class QuickAnswer:
    """The status and the headers, by lower-case name, of an answer whose body was read."""

    status: int
    headers: Mapping[str, str]


class QuickConnection:
    """A connection to `host[:port]`; every method raises OSError or ValueError if the other end is no HTTP server.

    Use it in a `with`, which closes it. Each `send` needs a `receive` before the next one.
    """

    def __init__(self, host: str, *, plain: bool) -> None:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname or "", parts.port or (80 if plain else 443)
        self._host = host
        self.origin = f"{'http' if plain else 'https'}://{host}"
        # Bytes: for text, Python loads the tables of international domain names.
        self._socket = _connected(name.encode("ascii"), port)
        # A head and its body are two packets; the second one must not wait for an answer to the first.
        self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        if not plain:
            import socket
            import ssl

            whole = socket.socket(fileno=self._socket.detach())
            whole.settimeout(_PATIENCE)
            self._socket = ssl.create_default_context().wrap_socket(whole, server_hostname=name)

    def __enter__(self) -> "QuickConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> None:
        """Sends a request; `path` begins with a slash."""
        fields = {"Host": self._host, "User-Agent": "airbyte-ci", **headers}
        if body is not None:
            fields["Content-Length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._socket.sendall(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("ascii") + (body or b""))

    def receive(self, *, has_body: bool = True) -> QuickAnswer:
        """Reads an answer (RFC 9112); one to HEAD has no body."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more(len(received))
        head, _, body = received.partition(b"\r\n\r\n")
        answer = _parse(head)
        if has_body:
            if "transfer-encoding" in answer.headers:
                raise ValueError("an answer in pieces")
            size = int(answer.headers.get("content-length", "-1"))
            if not 0 <= size <= _LIMIT:
                raise ValueError("an answer of unknown size")
            while len(body) < size:
                body += self._more(len(body))
        return answer

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> QuickAnswer:
        """Sends a request and returns its answer."""
        self.send(method, path, headers, body)
        return self.receive(has_body=method != "HEAD")

    def _more(self, before: int) -> bytes:
        piece = self._socket.recv(_LIMIT)
        if not piece or before > _LIMIT:
            raise ValueError("no whole answer")
        return piece


def _connected(name: bytes, port: int) -> _socket.socket:
    """Returns a connection to the first address of a host that answers; raises OSError."""
    failure = OSError("no address")
    for family, kind, protocol, _, address in _socket.getaddrinfo(name, port, type=_socket.SOCK_STREAM):
        made = _socket.socket(family, kind, protocol)
        made.settimeout(_PATIENCE)
        try:
            made.connect(address)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    raise failure


def _parse(head: bytes) -> QuickAnswer:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if version != "HTTP/1.1":
        raise ValueError(f"not HTTP: {version}")
    fields = (line.partition(":") for line in lines)
    return QuickAnswer(int(rest[:3]), {name.lower(): value.strip() for name, _, value in fields})
