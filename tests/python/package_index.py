"""A package index in this process (PEP 691) with configurable faults."""

import base64
import hashlib
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests import loopback

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class File:
    """One file: its data on the page, and its content."""

    body: bytes
    sha256: str | None = ""  # the true one; None: missing on the page
    size: int | None = None
    statuses: list[int] = field(default_factory=list)  # before it is sent
    headers: dict[str, str] = field(default_factory=dict)
    sent: bytes | None = None  # instead of the body
    promised: int | None = None  # Content-Length
    cuts: int = 0  # how often only half of it is sent first
    uploaded: str = ""  # upload-time (PEP 700)
    more: dict[str, Any] = field(default_factory=dict)  # further keys of the page


@dataclass
class Index:
    """Projects with their files by name; `asked` are the paths of all requests, `url` is that of the simple API."""

    url: str = ""
    projects: dict[str, dict[str, File]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)  # before pages are sent
    page: tuple[str, bytes] | None = None  # instead of every page: content type and body
    login: str = ""  # user:password without which nothing is given
    absolute: bool = False  # pages name files by full URLs
    ranges: bool = True  # parts of files are given
    context: ssl.SSLContext | None = None  # then it speaks TLS
    asked: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def add(self, project: str, name: str, body: bytes, **details: Any) -> str:
        """A file of a project; its true sha256."""
        self.projects.setdefault(project, {})[name] = File(body, **details)
        return hashlib.sha256(body).hexdigest()


@contextmanager
def running(index: Index) -> Iterator[Index]:
    """The index, on a free port of the loopback, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            index.asked.append(self.path)
            token = base64.b64encode(index.login.encode()).decode()
            if index.login and self.headers.get("Authorization") != f"Basic {token}":
                return self._answer(401, b"")
            kind, _, rest = self.path.strip("/").partition("/")
            return self._page(rest) if kind == "simple" else self._file(*rest.split("/"))

        def _page(self, project: str) -> None:
            if index.statuses:
                return self._answer(index.statuses.pop(0), b"")
            if index.page:
                return self._answer(200, index.page[1], {"Content-Type": index.page[0]})
            if project not in index.projects:
                return self._answer(404, b"")
            prefix = index.url.removesuffix("/simple/") if index.absolute else ""
            files = [_described(prefix, project, name, file) for name, file in index.projects[project].items()]
            document = {"meta": {"api-version": "1.1"}, "name": project, "versions": [], "files": files}
            return self._answer(200, json.dumps(document).encode(), {"Content-Type": JSON})

        def _file(self, project: str, name: str) -> None:
            file = index.projects[project][name]
            if file.statuses:
                return self._answer(file.statuses.pop(0), b"")
            if file.cuts:
                file.cuts -= 1
                return self._answer(200, file.body[: len(file.body) // 2], promised=len(file.body))
            body = file.body if file.sent is None else file.sent
            if index.ranges and (wanted := self.headers.get("Range")):
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                start = int(first) if first else max(0, len(body) - int(last))
                part = body[start : int(last) + 1 if first else len(body)]
                place = {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(body)}"}
                return self._answer(206, part, place)
            return self._answer(200, body, file.headers, file.promised)

        def _answer(
            self, status: int, body: bytes, headers: dict[str, str] | None = None, promised: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if promised is None else promised))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = promised is not None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if index.context:
        server.socket = index.context.wrap_socket(server.socket, server_side=True)
    with loopback.running(server) as port:
        index.url = f"{'https' if index.context else 'http'}://127.0.0.1:{port}/simple/"
        yield index


def _described(prefix: str, project: str, name: str, file: File) -> dict[str, Any]:
    sha256 = hashlib.sha256(file.body).hexdigest() if file.sha256 == "" else file.sha256
    document: dict[str, Any] = {
        "filename": name,
        "url": f"{prefix}/files/{project}/{name}",
        "hashes": {"sha256": sha256} if sha256 else {},
    }
    known = {"size": file.size, "upload-time": file.uploaded or None}
    return {**document, **{key: value for key, value in known.items() if value is not None}, **file.more}
