"""Faults of a registry, as values that a test passes to it. Knows replies, not the registry.

A fault is an operation, an effect on it, how often it strikes (`times`, None for always) and how many requests it lets
pass first (`after`).
"""

import functools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from airbyte_ci.testing.messages import Operation, Reply, Request, error

Handler = Callable[[Request], Reply]


class FaultEffect(Protocol):
    """Creates the reply; `handle` answers a request like a correct registry."""

    def apply(self, request: Request, handle: Handler) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """An effect on an operation, after the first `after` times, for `times` times."""

    operation: Operation
    effect: FaultEffect
    times: int | None = 1
    after: int = 0


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nothing is done, and the status reports it."""

    status: int
    code: str = "UNKNOWN"
    message: str = "refused on purpose"
    retry_after: str | None = None

    def apply(self, request: Request, handle: Handler) -> Reply:  # noqa: ARG002
        reply = error(self.status, self.code, self.message)
        return reply.with_headers(Retry_After=self.retry_after) if self.retry_after is not None else reply


@dataclass(frozen=True, slots=True)
class Body:
    """Another body instead of the correct one, with any status and type: a proxy's page, a wrong body, a bomb."""

    body: bytes
    status: int = 200
    media_type: str | None = None

    def apply(self, request: Request, handle: Handler) -> Reply:
        reply = replace(handle(request), status=self.status, body=self.body, length=None)
        return reply.with_headers(Content_Type=self.media_type) if self.media_type else reply


@dataclass(frozen=True, slots=True)
class OnMethod:
    """An effect on the requests of one method only."""

    method: str
    effect: FaultEffect

    def apply(self, request: Request, handle: Handler) -> Reply:
        return self.effect.apply(request, handle) if request.method == self.method else handle(request)


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection is closed without an answer, before or after the request is processed."""

    done: bool = False

    def apply(self, request: Request, handle: Handler) -> Reply:
        reply = handle(request) if self.done else Reply(status=500)
        return replace(reply, hung_up=True)


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection is closed after this many bytes of the body."""

    sent: int

    def apply(self, request: Request, handle: Handler) -> Reply:
        return replace(handle(request), sent=self.sent)


@dataclass(frozen=True, slots=True)
class Corrupt:
    """One bit of the body is flipped."""

    def apply(self, request: Request, handle: Handler) -> Reply:
        reply = handle(request)
        return replace(reply, body=reply.body[:-1] + bytes([reply.body[-1] ^ 1]) if reply.body else b"?")


@dataclass(frozen=True, slots=True)
class Resize:
    """The body is this many bytes longer, or shorter if negative, and Content-Length agrees with it."""

    by: int

    def apply(self, request: Request, handle: Handler) -> Reply:
        reply = handle(request)
        return replace(reply, body=reply.body[: self.by] if self.by < 0 else reply.body + b"!" * self.by)


@dataclass(frozen=True, slots=True)
class NoLength:
    """The answer does not state its length; the end of the connection ends it."""

    def apply(self, request: Request, handle: Handler) -> Reply:
        return replace(handle(request), length=-1)


@dataclass(frozen=True, slots=True)
class Header:
    """A header has another value, or is missing (None)."""

    name: str
    value: str | None = None

    def apply(self, request: Request, handle: Handler) -> Reply:
        reply = handle(request).without_header(self.name)
        return reply if self.value is None else replace(reply, headers={**reply.headers, self.name: self.value})


@dataclass(frozen=True, slots=True)
class Rewrite:
    """An existing header is extended: `{value}` is its value, and each line is a header of its own."""

    name: str
    value: str

    def apply(self, request: Request, handle: Handler) -> Reply:
        reply = handle(request)
        before = next((value for key, value in reply.headers.items() if key.lower() == self.name.lower()), None)
        if before is None:
            return reply
        headers = {**reply.without_header(self.name).headers, self.name: self.value.replace("{value}", before)}
        return replace(reply, headers=headers)


@dataclass(frozen=True, slots=True)
class Succeed:
    """The request is processed, and answered with another status, without the named headers."""

    status: int
    without: tuple[str, ...] = ()

    def apply(self, request: Request, handle: Handler) -> Reply:
        reply = handle(request)
        if reply.status >= 300:
            return reply
        for name in self.without:
            reply = reply.without_header(name)
        return replace(reply, status=self.status)


@dataclass(frozen=True, slots=True)
class Redirect:
    """The request is redirected to another address; `{path}` in it is the requested path."""

    location: str
    status: int = 307

    def apply(self, request: Request, handle: Handler) -> Reply:  # noqa: ARG002
        return Reply(status=self.status, headers={"Location": self.location.format(path=request.path)})


@dataclass(frozen=True, slots=True)
class Wait:
    """The answer is late: after `released` is set, or not before `seconds` have passed."""

    seconds: float
    released: threading.Event

    def apply(self, request: Request, handle: Handler) -> Reply:
        self.released.wait(self.seconds)
        return handle(request)


@dataclass(frozen=True, slots=True)
class IgnoreRange:
    """A request for a part is answered with the whole."""

    def apply(self, request: Request, handle: Handler) -> Reply:
        return handle(_with_header(request, "range", ""))


@dataclass(frozen=True, slots=True)
class LoseUpload:
    """The registry does not know the upload."""

    def apply(self, request: Request, handle: Handler) -> Reply:
        return handle(replace(request, name="lost"))


@dataclass(frozen=True, slots=True)
class RefuseMount:
    """A mount is answered with an upload, as a registry may do for any reason."""

    def apply(self, request: Request, handle: Handler) -> Reply:
        return handle(replace(request, operation="start upload", query={}))


@dataclass(frozen=True, slots=True)
class ExpireToken:
    """The token of the request has expired."""

    def apply(self, request: Request, handle: Handler) -> Reply:
        return handle(_with_header(request, "authorization", "Bearer expired"))


def _with_header(request: Request, name: str, value: str) -> Request:
    return replace(request, headers={**request.headers, name: value})


class Schedule:
    """Selects the faults of each request; shared by the server's threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = [(fault, fault.after, fault.times) for fault in faults]
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append((fault, fault.after, fault.times))

    def strike(self, request: Request, handle: Handler) -> Reply:
        """Returns the reply after all faults that are due, the first one innermost."""
        for effect in self._due(request.operation):
            handle = functools.partial(_applied, effect, handle)
        return handle(request)

    def _due(self, operation: Operation) -> list[FaultEffect]:
        due: list[FaultEffect] = []
        with self._lock:
            for position, (fault, after, times) in enumerate(self._faults):
                if fault.operation != operation or times == 0:
                    continue
                if after > 0:
                    self._faults[position] = (fault, after - 1, times)
                else:
                    due.append(fault.effect)
                    self._faults[position] = (fault, 0, None if times is None else times - 1)
        return due


def _applied(effect: FaultEffect, handle: Handler, request: Request) -> Reply:
    return effect.apply(request, handle)
