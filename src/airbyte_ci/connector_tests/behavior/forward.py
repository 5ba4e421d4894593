"""Forwards a request of a connector to its server, as a sandbox's own network would: never to this machine."""

import base64
import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import certifi
from requests.utils import get_environ_proxies

from airbyte_ci.connector_tests.behavior.traffic import HOP_BY_HOP, HttpRequest, HttpResponse
from airbyte_ci.sandbox import lending, network

_TIMEOUT = 120
_LONGEST = 256 << 20
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Forwarder:
    """Sends requests to servers. `may_reach` decides by the address (not the name) of a server."""

    may_reach: Callable[[str], bool] = lambda address: not network.is_own(address)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Returns the server's answer, or one with the status 502 and the reason."""
        try:
            return self._send(request)
        except (OSError, http.client.HTTPException, ValueError) as error:
            text = f"airbyte-ci: {request.shown}: {error or type(error).__name__}".encode()
            return HttpResponse(502, "Bad Gateway", (("Content-Type", "text/plain"),), text)

    def _send(self, request: HttpRequest) -> HttpResponse:
        parts = urlsplit(request.url)
        host, scheme = parts.hostname or "", parts.scheme
        port = parts.port or _PORTS[scheme]
        proxy = get_environ_proxies(request.url).get(scheme)
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        headers = [(name, value) for name, value in request.headers if name.lower() not in HOP_BY_HOP]
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", str(len(request.body))))
        if proxy and scheme == "http":
            target = request.url
            headers += [("Proxy-Authorization", login)] if (login := _login(proxy)) else []
        with contextlib.closing(self._connect(scheme, host, port, proxy)) as connection:
            connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(request.body or None)
            response = connection.getresponse()
            body = response.read(_LONGEST + 1)
            if len(body) > _LONGEST:
                raise ValueError(f"the answer is larger than {_LONGEST >> 20} MiB; compare with --live")
            kept = tuple((name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP)
            return HttpResponse(response.status, response.reason, kept, body)

    def _connect(self, scheme: str, host: str, port: int, proxy: str | None) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
        if proxy:
            # The user's proxy resolves names; addresses of this machine are refused here.
            _refuse_own(host, self.may_reach)
            parts = urlsplit(proxy)
            place = (parts.hostname or "", parts.port or 80)
            connection.sock = socket.create_connection(place, timeout=_TIMEOUT)
            if scheme == "https":
                connection.sock = _tunnel(connection.sock, host, port, _login(proxy))
        else:
            connection.sock = self._open(host, port)
        if scheme == "https":
            connection.sock = _trust().wrap_socket(connection.sock, server_hostname=host)
        return connection

    def _open(self, host: str, port: int) -> socket.socket:
        """Connects to the address that was checked, so that a name cannot lead elsewhere in between."""
        failure: OSError = OSError(f"{host} has no address")
        for _, _, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            address = str(place[0])
            if not self.may_reach(address):
                failure = OSError(f"{host} is an address of this machine or its network card's own network")
                continue
            try:
                return socket.create_connection((address, port), timeout=_TIMEOUT)
            except OSError as error:
                failure = error
        raise failure


def _refuse_own(host: str, may_reach: Callable[[str], bool]) -> None:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        if host != "localhost":
            return
        host = "127.0.0.1"
    if not may_reach(host):
        raise OSError(f"{host} is an address of this machine")


def _login(proxy: str) -> str:
    login = urlsplit(proxy).netloc.rpartition("@")[0]
    return f"Basic {base64.b64encode(unquote(login).encode()).decode()}" if login else ""


def _tunnel(opened: socket.socket, host: str, port: int, login: str) -> socket.socket:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    authorization = f"Proxy-Authorization: {login}\r\n" if login else ""
    opened.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{authorization}\r\n".encode())
    response = http.client.HTTPResponse(opened, method="CONNECT")
    response.begin()
    if response.status != 200:
        raise OSError(f"the proxy refused the connection: {response.status} {response.reason}")
    return opened


def _trust() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    if bundle := lending.certificates():
        context.load_verify_locations(bundle)
    return context
