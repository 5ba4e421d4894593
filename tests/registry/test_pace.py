"""A server that sends a byte at a time, in its headers, its body or both, is given up."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests

from airbyte_ci.registry import pace
from airbyte_ci.registry.paced_adapter import PacedAdapter


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[requests.Session]:
    """A session whose patience is short."""
    monkeypatch.setattr(pace, "_PATIENCE", 0.3)
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", PacedAdapter())
        yield session


def serve(answer: bytes, pause: float, at: int, first: float = 0) -> str:
    """The address of a server for one request; from the byte `at` on it sends one byte at a time."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with server, server.accept()[0] as client:
            client.recv(65536)
            time.sleep(first)
            client.sendall(answer[:at])
            try:
                for byte in answer[at:]:
                    client.sendall(bytes([byte]))
                    time.sleep(pause)
            except OSError:
                return

    threading.Thread(target=run, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/"


BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 900 + b"0\r\n\r\n"
UNSIZED = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3000
HEADERS = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(90)) + b"\r\n"


@pytest.mark.parametrize(
    ("answer", "at"),
    [(BODY, 60), (CHUNKED, 60), (UNSIZED, 30), (HEADERS, 10), (BODY, 1)],
    ids=["body", "chunks", "no length", "headers", "everything"],
)
def test_a_byte_at_a_time_is_given_up(session: requests.Session, answer: bytes, at: int) -> None:
    """Each byte comes well within the timeout of the socket, and the answer never ends."""
    with pytest.raises(requests.RequestException):
        session.get(serve(answer, 0.02, at), timeout=30)


def test_what_comes_late_and_then_at_once_is_read(session: requests.Session) -> None:
    """A server may think for long before its first byte."""
    assert len(session.get(serve(BODY, 0, len(BODY), first=0.8), timeout=30).content) == 3000
