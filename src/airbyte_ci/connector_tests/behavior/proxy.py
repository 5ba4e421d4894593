"""An HTTP proxy on one listening socket: it decrypts TLS with the comparison's own authority, and asks for answers.

The socket is in the network namespace of a sandbox, so only the connector in it can reach the proxy.
"""

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus

from airbyte_ci.connector_tests.behavior.authority import Authority
from airbyte_ci.connector_tests.behavior.traffic import HOP_BY_HOP, Answer, HttpRequest, HttpResponse
from airbyte_ci.sandbox.command import SERVICE_PORT, Service

ADDRESS = f"http://127.0.0.1:{SERVICE_PORT}"
_LONGEST = 64 << 20
# A connector that opens more connections waits.
_MOST = 64
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def proxy_service(answer: Answer, authority: Authority) -> Service:
    """Returns the service of a sandbox that answers HTTP and HTTPS requests of the connector."""

    @contextlib.contextmanager
    def serve(listener: socket.socket) -> Iterator[None]:
        places = threading.Semaphore(_MOST)
        accepting = threading.Thread(target=_accept, args=(listener, places, answer, authority), daemon=True)
        accepting.start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()
            accepting.join(5)

    return serve


def _accept(listener: socket.socket, places: threading.Semaphore, answer: Answer, authority: Authority) -> None:
    def handle(connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError, ValueError), connection:
                _Handler(connection, answer, authority)
        finally:
            places.release()

    while True:
        places.acquire()
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=handle, args=(connection,), daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection of the connector; after CONNECT, the requests in the tunnel."""

    protocol_version = "HTTP/1.1"
    timeout = 300

    def __init__(self, connection: socket.socket, answer: Answer, authority: Authority) -> None:
        self._answer = answer
        self._authority = authority
        self._origin = ""
        super().__init__(connection, ("sandbox", 0), None)  # type: ignore[arg-type]  # the server is not used

    def do_CONNECT(self) -> None:
        """Answers for the server that the connector wants to reach."""
        host, _, port = self.path.rpartition(":")
        host = host.strip("[]")
        if not host or not port.isdecimal():
            self._reply(HttpResponse(400, "Bad Request", (), b""))
            return
        self.send_response(HTTPStatus.OK, "Connection established")
        self.end_headers()
        # They hold the plain connection, which the encrypted one replaces.
        self.rfile.close()
        self.wfile.close()
        self.connection = self._authority.context(host).wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        place = f"[{host}]" if ":" in host else host
        self._origin = f"https://{place}" if port == "443" else f"https://{place}:{port}"
        self.close_connection = False

    def finish(self) -> None:
        """Closes the connection, also an encrypted one that replaced the first."""
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()

    def __getattr__(self, name: str) -> object:
        if name in {f"do_{method}" for method in _METHODS}:
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            self._reply(HttpResponse(413, "Content Too Large", (), b""))
            return
        url = self.path if not self._origin else f"{self._origin}{self.path}"
        if not url.startswith(("http://", "https://")):
            self._reply(HttpResponse(400, "Bad Request", (), b"airbyte-ci: not a request to a proxy"))
            return
        headers = tuple((name, value) for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP)
        self._reply(self._answer(HttpRequest(self.command, url, headers, body)))

    def _body(self) -> bytes | None:
        """Returns the request's body; None if it is too large or malformed."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            found = bytearray()
            while True:
                size = int(self.rfile.readline(64).split(b";")[0] or b"0", 16)
                if size < 0 or len(found) + size > _LONGEST:
                    return None
                found += self.rfile.read(size)
                self.rfile.readline(64)
                if not size:
                    return bytes(found)
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _LONGEST:
            return None
        return self.rfile.read(int(length))

    def _reply(self, response: HttpResponse) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in response.headers:
            self.send_header(name, value)
        # The answer to HEAD, and some without a body, keep the length that the server named.
        has_body = self.command != "HEAD" and response.status >= 200 and response.status not in (204, 304)
        if has_body:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if has_body:
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name of the base class
        """Prints nothing: the requests of a connector are not for the terminal."""
