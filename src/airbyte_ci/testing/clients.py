"""A registry client for tests: it never sleeps, and remembers how long it would have slept."""

from dataclasses import dataclass, field

from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.registry.credentials import Anonymous, CredentialSource
from airbyte_ci.oci.registry.options import RegistryOptions


@dataclass(slots=True)
class Waits:
    """The waits that were asked for, in seconds."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def quick_client(
    options: RegistryOptions | None = None, credentials: CredentialSource | None = None, *, waits: Waits | None = None
) -> RegistryClient:
    """A client with no logins and no delays, unless others are given; its jitter is nothing."""
    return RegistryClient(
        options or RegistryOptions(), credentials or Anonymous(), sleep=waits or Waits(), random=lambda: 0.0
    )
