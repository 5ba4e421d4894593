"""The proxy of a comparison forwards to servers of others, and never to this machine, however it is named."""

import http.server
import socket
from collections.abc import Iterator

import pytest

from airbyte_ci.connector_tests.behavior.forward import Forwarder
from airbyte_ci.connector_tests.behavior.traffic import HttpRequest, HttpResponse, Recording
from airbyte_ci.sandbox import network
from tests import loopback


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server on every address of this machine; its port."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"reached")

        def log_message(self, *_: object) -> None:
            pass

    with loopback.running(http.server.ThreadingHTTPServer(("", 0), Handler)) as port:
        yield port


def _get(url: str) -> HttpRequest:
    return HttpRequest("GET", url, (("Host", "x"),), b"")


def test_no_name_leads_to_this_machine(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback, this machine's names and addresses, and forms of them are refused; with --network=host they are not."""
    own = [str(item[4][0]) for item in socket.getaddrinfo(socket.gethostname(), None)]
    names = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1", "2130706433", *own[:1]]
    for name in names:
        answer = Forwarder().answer(_get(f"http://{name}:{server}/"))
        assert answer.status == 502 and b"reached" not in answer.body, name
    assert Forwarder(lambda _: True).answer(_get(f"http://127.0.0.1:{server}/")).body == b"reached"
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server}")
    answer = Forwarder().answer(_get("http://localhost/"))
    assert answer.status == 502 and b"address of this machine" in answer.body


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "10.0.2.2", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1"),
    ],
)
def test_addresses_of_this_machine_are_known(address: str) -> None:
    """The addresses that the router of a sandbox refuses, and their forms in IPv6."""
    assert network.is_own(address)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.1.2.3", "8.8.8.8", "2001:db8::1"])
def test_other_addresses_are_open(address: str) -> None:
    """Servers of the internet and of a company's network can be a source."""
    assert not network.is_own(address)


def _answer(body: bytes) -> HttpResponse:
    return HttpResponse(200, "OK", (), body)


def test_a_replay_answers_as_the_source_did() -> None:
    """Repeated requests have their answers in order, then the last one; the order of a query does not matter."""
    recording = Recording(ignored=("nonce",))
    bodies = iter((b"1", b"2", b"3"))
    record = recording.recorder(lambda _: _answer(next(bodies)))
    for url in ("https://a/x?b=1&a=2&nonce=5", "https://a/x?a=2&b=1&nonce=6", "https://a/y"):
        record(_get(url))
    replay = recording.replay()
    seen = [replay.answer(_get(f"https://a/x?a=2&b=1&nonce={number}")).body for number in range(3)]
    assert seen == [b"1", b"2", b"2"] and not replay.unmatched
    assert replay.unused == ["GET https://a/y"]
    assert replay.answer(_get("https://user:secret@a/x?a=3&key=secret")).status == 502
    assert replay.unmatched == ["GET https://a/x"]


def test_a_signed_body_has_the_answer_of_the_only_one() -> None:
    """A request with another body has the recorded answer if there is one; of several, none is guessed."""
    recording = Recording()
    record = recording.recorder(lambda request: _answer(request.body))
    for url, body in (("https://a/token", b"one"), ("https://a/query", b"one"), ("https://a/query", b"two")):
        record(HttpRequest("POST", url, (), body))
    replay = recording.replay()
    assert replay.answer(HttpRequest("POST", "https://a/token", (), b"new")).body == b"one"
    assert replay.answer(HttpRequest("POST", "https://a/query", (), b"new")).status == 502
