"""The user's options for registries, progress events, and the limits of what is sent at once. Knows no protocol."""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Literal

from airbyte_ci.oci.digest import Digest
from airbyte_ci.records import dataclass

# A blob of at most this many bytes is sent in one request and without asking for it, where a question could save less.
SMALL_BLOB = 256 << 10
# A push of at most this many blobs, all small, is a changed configuration and layer of code.
FEW_BLOBS = 2

Step = Literal["downloading", "uploading", "streaming", "mounted", "present"]


@dataclass(frozen=True, slots=True)
class BlobProgress:
    """A blob's progress in a repository: `done` of `total` bytes. Reported from worker threads."""

    step: Step
    repository: str
    digest: Digest
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryOptions:
    """How to access registries.

    `insecure` lists hosts (`host:port`, as in a reference) that may be used without TLS; loopback always may. `mirrors`
    maps a registry to hosts, each with an optional path (`mirror.local/hub`), that are tried before it. `timeout` is in
    seconds and limits silence, not a whole transfer.
    """

    offline: bool = False
    insecure: frozenset[str] = frozenset()
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    concurrency: int = 6
    timeout: float = 60.0
    attempts: int = 5
    progress: Callable[[BlobProgress], None] | None = None

    def tell(self, event: BlobProgress) -> None:
        if self.progress:
            self.progress(event)
