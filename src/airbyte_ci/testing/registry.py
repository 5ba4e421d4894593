"""An OCI registry in this process, on loopback, that keeps to the specification or fails on purpose.

Knows sockets and the order of things; what to answer is in `distribution`, what goes wrong in `faults`.

    with RegistryServer() as registry:
        reference = Reference.parse(f"{registry.host}/acme/source-x:1.0.0")
"""

import http.server
import re
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from airbyte_ci.testing.contents import RegistryContents
from airbyte_ci.testing.distribution import DistributionServer, Manner
from airbyte_ci.testing.faults import Fault, Schedule
from airbyte_ci.testing.logins import Login, LoginGate
from airbyte_ci.testing.messages import Operation, Reply, Request

_NAME = r"(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_ROUTES = tuple(
    (noun, re.compile(pattern))
    for noun, pattern in (
        ("ping", r"/v2/?\Z"),
        ("token", r"/token\Z"),
        ("manifest", rf"/v2/{_NAME}/manifests/(?P<name>[^/]+)\Z"),
        ("start", rf"/v2/{_NAME}/blobs/uploads/?\Z"),
        ("upload", rf"/v2/{_NAME}/blobs/uploads/(?P<name>[^/]+)\Z"),
        ("blob", rf"/v2/{_NAME}/blobs/(?P<name>[^/]+)\Z"),
        ("tags", rf"/v2/{_NAME}/tags/list\Z"),
        ("referrers", rf"/v2/{_NAME}/referrers/(?P<name>[^/]+)\Z"),
    )
)
_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "ping"): "ping",
    ("GET", "token"): "token",
    ("POST", "token"): "token",
    ("HEAD", "manifest"): "head manifest",
    ("GET", "manifest"): "get manifest",
    ("PUT", "manifest"): "put manifest",
    ("DELETE", "manifest"): "delete manifest",
    ("HEAD", "blob"): "head blob",
    ("GET", "blob"): "get blob",
    ("DELETE", "blob"): "delete blob",
    ("POST", "start"): "start upload",
    ("PATCH", "upload"): "patch upload",
    ("PUT", "upload"): "put upload",
    ("GET", "upload"): "get upload",
    ("DELETE", "upload"): "delete upload",
    ("GET", "tags"): "list tags",
    ("GET", "referrers"): "list referrers",
}


@dataclass(frozen=True, slots=True)
class Logged:
    """A request that came, and the status that went back (0 when the connection was closed instead)."""

    request: Request
    status: int


@dataclass(slots=True, kw_only=True)
class RegistryServer:
    """A registry; give two of them the same `contents` and one can redirect to the other."""

    faults: Iterable[Fault] = ()
    login: Login = field(default_factory=Login)
    manner: Manner = field(default_factory=Manner)
    contents: RegistryContents = field(default_factory=RegistryContents)
    certificate: Path | None = None  # a file with a certificate and its key, to speak TLS
    _log: list[Logged] = field(default_factory=list)
    _mishaps: list[BaseException] = field(default_factory=list)
    _server: "_Server | None" = None
    _thread: threading.Thread | None = None
    _schedule: Schedule = field(default_factory=Schedule)
    _gate: LoginGate | None = None

    def __enter__(self) -> "RegistryServer":
        self._schedule = Schedule(self.faults)
        self._gate = LoginGate(self.login)
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server
        assert self._thread
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()
        if self._mishaps:
            raise self._mishaps[0]

    @property
    def host(self) -> str:
        """`127.0.0.1:port`, as references spell it."""
        assert self._server
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{self.host}"

    def fail(self, fault: Fault) -> None:
        """One more fault, from now on."""
        self._schedule.add(fault)

    def requests(self, *operations: Operation) -> tuple[Request, ...]:
        """The requests so far, of these operations or of all."""
        return tuple(item.request for item in self.log if not operations or item.request.operation in operations)

    @property
    def log(self) -> tuple[Logged, ...]:
        """Every request in the order of their answers."""
        return tuple(self._log)

    def clear_log(self) -> None:
        self._log.clear()

    def answer(self, request: Request) -> Reply:
        """The reply to a request, after the faults that are due."""
        reply = self._schedule.strike(request, self._proper)
        self._log.append(Logged(request, 0 if reply.hung_up else reply.status))
        return reply

    def mishap(self, error: BaseException) -> None:
        """A bug of this server, kept so that the test fails for it."""
        self._mishaps.append(error)

    def _proper(self, request: Request) -> Reply:
        assert self._gate
        if request.operation == "token":
            return self._gate.token(request)
        refused = self._gate.check(request, f"{self.url}/token")
        if refused:
            return refused
        if request.operation == "mount blob" and not self._gate.may_pull(request, request.argument("from")):
            return DistributionServer(self.contents, self.manner).answer(_as_upload(request))
        return DistributionServer(self.contents, self.manner).answer(request)


def _as_upload(request: Request) -> Request:
    return Request(
        operation="start upload",
        method=request.method,
        path=request.path,
        headers=request.headers,
        repository=request.repository,
    )


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, registry: RegistryServer) -> None:
        self.registry = registry
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        if registry.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(registry.certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # without the look-up of our own name, which may be slow

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # socketserver's signature
        self._open.add(request)
        super().process_request_thread(request, client_address)
        self._open.discard(request)

    def end_connections(self) -> None:
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was first

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError | ssl.SSLError):
            self.registry.mishap(error)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(1 << 16)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        reply = self.server.registry.answer(self._request())
        if reply.hung_up:
            self.close_connection = True
            return
        self._send(reply)

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        noun, groups = _routed(path)
        query = {key: tuple(values) for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        operation = _OPERATIONS.get((self.command, noun), "other")
        if operation == "start upload" and "mount" in query:
            operation = "mount blob"
        return Request(
            operation=operation,
            method=self.command,
            path=path,
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self._body(),
            repository=groups.get("repository", ""),
            name=groups.get("name", ""),
        )

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            for line in value.split("\n"):
                self.send_header(name, line)
        if reply.length == -1:
            self.close_connection = True  # which is then what ends the body
        elif reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
        self.end_headers()
        body = b"" if self.command == "HEAD" else reply.body
        self.wfile.write(body if reply.sent is None else body[: reply.sent])
        if reply.sent is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The log is for tests to read, not for the terminal."""


def _routed(path: str) -> tuple[str, dict[str, str]]:
    for noun, pattern in _ROUTES:
        if match := pattern.match(path):
            return noun, match.groupdict()
    return "", {}
