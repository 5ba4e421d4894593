"""Servers on loopback; also a JSON API for doubles of forges: real HTTP on one side, a test's function on the other."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

# Status, content and headers. Text is sent as HTML, None as no content, everything else as JSON.
Reply = tuple[int, Any, Mapping[str, str]]


@dataclass(frozen=True)
class Call:
    """A request as it arrived; `target` is its path with the query, `body` is parsed, None without one."""

    verb: str
    target: str
    body: Any
    headers: Message

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


@contextmanager
def serving(reply: Callable[[Call], Reply]) -> Iterator[str]:
    """Serves until the end of the block; gives the address of the server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, content, headers = reply(Call(self.command, self.path, body, self.headers))
            is_text = isinstance(content, str)
            raw = content.encode() if is_text else b"" if content is None else json.dumps(content).encode()
            media_type = "text/html" if is_text else "application/json; charset=utf-8"
            self.send_response(status)
            for key, value in {"Content-Type": media_type, **headers, "Content-Length": str(len(raw))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815  # http.server's names

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[int]:
    """Serves in a thread until the end of the block; gives the port."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
