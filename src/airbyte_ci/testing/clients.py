"""A registry client for tests: instead of sleeping, it records the waits."""

from dataclasses import dataclass, field

from airbyte_ci.registry.client import RegistryClient
from airbyte_ci.registry.credentials import Anonymous, CredentialSource
from airbyte_ci.registry.options import RegistryOptions


@dataclass(slots=True)
class Waits:
    """The requested waits, in seconds."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def quick_client(
    options: RegistryOptions | None = None, credentials: CredentialSource | None = None, *, waits: Waits | None = None
) -> RegistryClient:
    """Returns a client without logins and delays, unless given; its jitter is zero."""
    return RegistryClient(
        options or RegistryOptions(), credentials or Anonymous(), sleep=waits or Waits(), random=lambda: 0.0
    )
