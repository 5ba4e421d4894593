"""A GitHub on loopback: a test's function answers over real HTTP, validated in both directions.

Unknown requests and invalid answers are `problems`; a test ends by checking that there are none.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.github import description
from tests.github.description import Description, Operation

Answer = tuple[int, Any]
_FAULT = {"message": "You have exceeded a secondary rate limit", "documentation_url": "https://docs.github.com"}
_NOT_FOUND = {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}


@dataclass(frozen=True)
class Request:
    """A request: the operation by its name (`GET /orgs/{org}`), its variables, query and body."""

    name: str
    variables: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    token: str


@dataclass
class Double:
    """A running double. `api` is what GITHUB_API_URL must be.

    `faults` are statuses for the next requests of an operation, or of `graphql`: they are answered before the test's
    function, and need not be described.
    """

    api: str
    known: Description
    problems: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    faults: dict[str, list[int]] = field(default_factory=dict)


@contextmanager
def running(
    name: str,
    answer: Callable[[Request, Description], Answer | None],
    graphql: Callable[[Any], Any] | None = None,
) -> Iterator[Double]:
    """`answer` gives status and body; None is GitHub's 404. Lists are paginated here, as GitHub does.

    `graphql` answers what comes to the other API, which the description does not describe.
    """
    known = description.of(name)
    base = "/api/v3" if name == description.ENTERPRISE else ""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urlsplit(self.path)
            is_graphql = bool(graphql) and self.command == "POST" and parts.path.endswith("/graphql")
            known_name = None if is_graphql else known.operation(self.command, parts.path.removeprefix(base))
            name = known_name.name if known_name else "graphql"
            if left := double.faults.get(name):
                return self._send(left.pop(0), _FAULT, {"Retry-After": "60"})
            if graphql and (self.command, parts.path) == ("POST", f"{base.removesuffix('/v3')}/graphql"):
                return self._send(200, graphql(body), {})
            operation = (
                known.operation(self.command, parts.path.removeprefix(base)) if parts.path.startswith(base) else None
            )
            if operation is None:
                double.problems.append(f"there is no operation {self.command} {self.path}")
                return self._send(404, _NOT_FOUND, {})
            return self._answer(operation, dict(parse_qsl(parts.query)), body, parts.path)

        def _answer(self, operation: Operation, query: dict[str, str], body: Any, path: str) -> None:
            found = [*known.objections_to_request(operation, query, body)]
            authorization = self.headers.get("Authorization", "")
            request = Request(operation.name, operation.variables, query, body, authorization.partition(" ")[2])
            double.requests.append(request)
            status, content = answer(request, known) or (404, _NOT_FOUND)
            headers: dict[str, str] = {}
            if isinstance(content, list):
                page, size = int(query.get("page", "1")), int(query.get("per_page", "30"))
                if len(content) > page * size:
                    following = urlencode({**query, "page": page + 1})
                    headers["Link"] = f'<http://{self.headers["Host"]}{path}?{following}>; rel="next"'
                content = content[(page - 1) * size : page * size]
            found += known.objections_to_answer(operation, status, content)
            double.problems += [f"{operation.name}: {objection}" for objection in found]
            self._send(status, content, headers)

        def _send(self, status: int, content: Any, headers: Mapping[str, str]) -> None:
            raw = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            for key, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815  # http.server's names

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        double = Double(f"http://127.0.0.1:{server.server_port}{base}", known)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield double
        finally:
            server.shutdown()
            thread.join()
    assert not double.problems, double.problems
