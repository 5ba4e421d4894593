"""HTTP traffic of the old image: recorded as it passes, and replayed to the new image. In memory only.

Nothing of it is written to disk. Reports name a request by its method, host and path.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

# Headers that belong to one connection (RFC 9110, section 7.6.1), and those that the proxy writes itself.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade", "content-length"}
)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request of the connector, with an absolute URL."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def shown(self) -> str:
        """Returns a name for reports: without the query, the login and the body, which may have secrets."""
        parts = urlsplit(self.url)
        return f"{self.method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer; the body is as it was sent, perhaps compressed."""

    status: int
    reason: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)


Answer = Callable[[HttpRequest], HttpResponse]
_Key = tuple[str, str, str]


class Recording:
    """The requests of the old image with their answers, in order. Threads may share it."""

    def __init__(self, ignored: Sequence[str] = ()) -> None:
        self._ignored = frozenset(ignored)
        self._answers: dict[_Key, list[HttpResponse]] = {}
        self._names: dict[_Key, str] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(map(len, self._answers.values()))

    def recorder(self, forward: Answer) -> Answer:
        """Returns the answer that forwards each request, and keeps what the server says."""

        def answer(request: HttpRequest) -> HttpResponse:
            response = forward(request)
            with self._lock:
                key = self._key(request)
                self._answers.setdefault(key, []).append(response)
                self._names[key] = request.shown
            return response

        return answer

    def replay(self) -> "Replay":
        """Returns a replay from the beginning."""
        with self._lock:
            return Replay(self._key, {key: list(items) for key, items in self._answers.items()}, dict(self._names))

    def _key(self, request: HttpRequest) -> _Key:
        parts = urlsplit(request.url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        query = urlencode(sorted(pair for pair in pairs if pair[0] not in self._ignored))
        return (
            request.method,
            f"{parts.scheme}://{parts.netloc}{parts.path}?{query}",
            hashlib.sha256(request.body).hexdigest() if request.body else "",
        )


class Replay:
    """Answers requests from a recording. `unmatched` are those that the old image did not make."""

    def __init__(
        self, key: Callable[[HttpRequest], _Key], answers: dict[_Key, list[HttpResponse]], names: dict[_Key, str]
    ) -> None:
        self._key = key
        self._answers = answers
        self._names = names
        self._used: dict[_Key, int] = {}
        self._lock = threading.Lock()
        self.unmatched: list[str] = []
        self.matched = 0

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Returns the recorded answer. Repeated requests receive the answers in order, and then the last one again.

        A request whose body is new receives the answer of the only recorded body: signed requests differ each time.
        """
        with self._lock:
            key = self._key(request)
            if key not in self._answers:
                similar = [item for item in self._answers if item[:2] == key[:2]]
                if len(similar) != 1:
                    self.unmatched.append(request.shown)
                    text = f"airbyte-ci: the old image did not request {request.shown}".encode()
                    return HttpResponse(502, "Not recorded", (("Content-Type", "text/plain"),), text)
                (key,) = similar
            number = self._used.get(key, 0)
            self._used[key] = number + 1
            self.matched += 1
            answers = self._answers[key]
            return answers[min(number, len(answers) - 1)]

    @property
    def unused(self) -> list[str]:
        """Returns the requests of the old image that were not made again."""
        return sorted(name for key, name in self._names.items() if key not in self._used)
