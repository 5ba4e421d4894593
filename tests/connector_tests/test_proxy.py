"""The recording proxy, asked by a real HTTP client: methods, bodies, tunnels, connections that stay open."""

import datetime
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from airbyte_ci.connector_tests.behavior.authority import Authority
from airbyte_ci.connector_tests.behavior.proxy import proxy_service
from airbyte_ci.connector_tests.behavior.traffic import HttpRequest, HttpResponse

STATUS = {"/none": 204, "/unchanged": 304, "/teapot": 418}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[tuple[requests.Session, list[HttpRequest]]]:
    """A client whose only way is the proxy, and the requests that the proxy saw."""
    seen: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        path = request.url.rpartition("example")[2].partition("?")[0]
        headers = (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Connection", "keep-alive"))
        return HttpResponse(STATUS.get(path, 200), "Told", headers, request.body or b"empty")

    authority = Authority(tmp_path, datetime.datetime.now(datetime.UTC))
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with proxy_service(answer, authority)(listener), requests.Session() as session:
        session.trust_env = False
        session.proxies = {"http": address, "https": address}
        session.verify = str(tmp_path / "ca.pem")
        yield session, seen


def test_every_request_arrives_as_it_was_sent(client: tuple[requests.Session, list[HttpRequest]]) -> None:
    """Method, URL, headers and body arrive, also in chunks and in a tunnel; the answer has its body and headers."""
    session, seen = client
    for scheme in ("http", "https"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            body = None if method == "GET" else b"x" * 70_000
            response = session.request(
                method, f"{scheme}://example/path?q=1&r=%20", data=body, headers={"X-Own": method}
            )
            assert (response.status_code, response.content) == (200, body or b"empty")
            assert (seen[-1].method, seen[-1].url) == (method, f"{scheme}://example/path?q=1&r=%20")
            assert dict(seen[-1].headers)["X-Own"] == method
        response = session.post(f"{scheme}://example:8443/chunks", data=iter((b"one", b"", b"two")))
        assert response.content == b"onetwo" and seen[-1].url == f"{scheme}://example:8443/chunks"
        assert response.headers["Set-Cookie"] == "a=1, b=2"
    assert len(seen) == 14


def test_answers_without_a_body_end(client: tuple[requests.Session, list[HttpRequest]]) -> None:
    """HEAD, 204 and 304 have no body, and the connection stays usable."""
    session, seen = client
    assert session.head("https://example/head").content == b""
    for path, status in STATUS.items():
        response = session.get(f"https://example{path}")
        assert (response.status_code, bool(response.content)) == (status, status == 418)
    assert len(seen) == 4


def test_what_is_no_request_ends_the_connection(client: tuple[requests.Session, list[HttpRequest]]) -> None:
    """Malformed requests reach nobody, and the proxy goes on."""
    session, seen = client
    host, _, port = str(session.proxies["http"]).removeprefix("http://").partition(":")
    for raw in (
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT nowhere HTTP/1.1\r\n\r\n",
        b"POST http://example/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST http://example/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"CONNECT example:443 HTTP/1.1\r\n\r\nnot TLS at all",
        b"\x16\x03\x01" * 100,
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1000):
                pass
    assert not seen
    assert session.get("http://example/path").ok
