"""A request and a reply of the in-process registry, as values; knows HTTP's parts, not what they mean."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Operation = Literal[
    "ping",
    "token",
    "head manifest",
    "get manifest",
    "put manifest",
    "delete manifest",
    "head blob",
    "get blob",
    "delete blob",
    "mount blob",
    "start upload",
    "patch upload",
    "put upload",
    "get upload",
    "delete upload",
    "list tags",
    "list referrers",
    "other",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What came: header names are in lower case; `operation` names the end point of the specification."""

    operation: Operation
    method: str
    path: str
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    repository: str = ""
    name: str = ""  # the tag, the digest or the upload that the path ends with

    def argument(self, name: str) -> str:
        """The first value of a query argument, or nothing."""
        return next(iter(self.query.get(name, ())), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back.

    `length` is the Content-Length that is claimed when it is not the true one; -1 claims none. After `sent`
    bytes of the body the connection is closed; `hung_up` closes it before the first byte. Each line of a header's
    value is sent as a header of its own.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    length: int | None = None
    sent: int | None = None
    hung_up: bool = False

    def with_headers(self, **headers: str) -> "Reply":
        """More headers, written with `_` for `-`."""
        added = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **added})

    def without_header(self, name: str) -> "Reply":
        kept = {key: value for key, value in self.headers.items() if key.lower() != name.lower()}
        return replace(self, headers=kept)


def error(status: int, code: str, message: str) -> Reply:
    """A refusal in the form the specification gives ("Error Codes")."""
    return as_json({"errors": [{"code": code, "message": message}]}, status)


def as_json(document: object, status: int = 200, media_type: str = "application/json") -> Reply:
    return Reply(status=status, headers={"Content-Type": media_type}, body=json.dumps(document).encode())
