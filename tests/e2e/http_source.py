"""An HTTPS server on this machine, and a connector that reads it: the source of comparisons."""

import datetime
import http.server
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_ci.connector_tests.behavior.authority import Authority
from tests import loopback

TOKEN = "tok-99887766"
# A connector that needs nothing but its Python. Its requests have a query that differs each time.
MAIN = """import json, os, sys, time, urllib.request
arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))
config = json.load(open(arguments["--config"])) if "--config" in arguments else {}
state = json.load(open(arguments["--state"]))[0]["stream"]["stream_state"] if "--state" in arguments else {"at": 0}
def get(path):
    request = urllib.request.Request(f"{config['url']}{path}", headers={"Authorization": config["token"]})
    return json.load(urllib.request.urlopen(request))
def send(kind, name, value):
    print(json.dumps({"type": kind, name: value}))
STREAM = {"name": "items", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh", "incremental"],
          "source_defined_cursor": True, "source_defined_primary_key": [["id"]]}
if sys.argv[1] == "spec":
    send("SPEC", "spec", {"connectionSpecification": {"type": "object", "properties": {"url": {"type": "string"}}}})
elif sys.argv[1] == "check":
    send("CONNECTION_STATUS", "connectionStatus", {"status": get("/ping")["status"]})
elif sys.argv[1] == "discover":
    send("CATALOG", "catalog", {"streams": [STREAM, {**STREAM, "name": "more"}]})
else:
    for item in get(f"/items?since={state['at']}&nonce={time.time_ns()}"):
        for name in ("items", "more"):
            send("RECORD", "record", {"stream": name, "data": item, "emitted_at": time.time_ns() // 1000000})
        state["at"] = item["id"]
    stream = {"stream_descriptor": {"name": "items"}, "stream_state": state}
    send("STATE", "state", {"type": "STREAM", "stream": stream})
"""


@dataclass
class Api:
    """A source on this machine: each request is counted, and the items are others each time."""

    url: str = ""
    certificate: Path = Path()
    requests: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to reach it."""
        return {"SSL_CERT_FILE": str(self.certificate), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

    @property
    def paths(self) -> list[str]:
        """The requests without what differs each time."""
        return [path.partition("&")[0] for path in self.requests]

    def write_config(self, path: Path) -> None:
        """Writes a connector's configuration."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"url": self.url, "token": TOKEN}))


@contextmanager
def serve(folder: Path) -> Iterator[Api]:
    """An HTTPS server, whose certificate this machine trusts by SSL_CERT_FILE."""
    found = Api(certificate=folder / "ca.pem")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append(self.path)
            first = int(self.path.partition("since=")[2].partition("&")[0] or 0) + 1
            answer: Any = {"status": "SUCCEEDED"}
            if self.path.startswith("/items"):
                answer = [{"id": number, "name": f"{len(found.requests)}"} for number in range(first, 4)]
            body = json.dumps(answer).encode()
            self.send_response(200 if self.headers["Authorization"] == TOKEN else 403)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    authority = Authority(folder, datetime.datetime.now(datetime.UTC))
    found.certificate.write_bytes(authority.certificate)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = authority.context("127.0.0.1").wrap_socket(server.socket, server_side=True)
    with loopback.running(server) as port:
        found.url = f"https://127.0.0.1:{port}"
        yield found
