"""A command of airbyte-ci as a job for another machine: plain data, without secrets, blobs or functions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """`arguments` of airbyte-ci for one subject, in the commit of a git repository.

    `version` and `python` are those of the machine that asks: another one could give another result. `memory` is the
    most that the job may use, in bytes; 0 for no limit.
    """

    subject: str
    repository: str
    commit: str
    folder: str
    arguments: tuple[str, ...]
    version: str
    python: str
    memory: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "RemoteJob":
        return cls(**{**document, "arguments": tuple(document["arguments"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteResult:
    """The exit code and the output of a job; `worker` is where it ran. Code -1 means that it did not run to its end."""

    subject: str
    code: int
    output: str = ""
    error: str = ""
    worker: str = ""
