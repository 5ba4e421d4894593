"""A small station server for trying the connector: it answers from sample_data, two records a page."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

SAMPLES = Path(__file__).parent / "sample_data"
PAGE_SIZE = 2


def page_of(name: str, since: str, page: int) -> dict[str, Any]:
    """Return one page of a collection, observations from `since` on."""
    records = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    wanted = [record for record in records if record.get("observed_at", since) >= since]
    start = (page - 1) * PAGE_SIZE
    more = start + PAGE_SIZE < len(wanted)
    return {"data": wanted[start : start + PAGE_SIZE], "next_page": page + 1 if more else None}


class StationHandler(BaseHTTPRequestHandler):
    """Answers GET /stations and GET /observations."""

    def do_GET(self) -> None:
        """Answer with a page of JSON, or 404 for any other path."""
        url = urlsplit(self.path)
        if url.path not in ("/stations", "/observations"):
            self.send_error(404)
            return
        query = parse_qs(url.query)
        page = page_of(url.path[1:], query.get("since", [""])[0], int(query.get("page", ["1"])[0]))
        body = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the connector's messages are what one wants to see."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8099
    ThreadingHTTPServer(("127.0.0.1", port), StationHandler).serve_forever()
