"""Retries: how often, and how long to wait. Knows nothing about requests."""

from collections.abc import Callable
from typing import TypeVar

from airbyte_ci.records import dataclass
from airbyte_ci.registry.failures import WRONG_BYTES, Refused, Transient, as_transient

T = TypeVar("T")

_FIRST, _LONGEST = 0.5, 30.0
# If a registry requests a longer wait, the client fails with an error that reports it, instead of waiting silently.
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with full jitter; waits as long as the registry requests."""

    attempts: int
    sleep: Callable[[float], None]
    random: Callable[[], float]

    def persist(self, action: Callable[[], T], *, doubts: int = 0) -> T:
        """Returns the action's result; raises the last Transient if every attempt failed.

        The action is also repeated if the registry says that content has another digest, at most `doubts` times.
        """
        attempt = 1
        while True:
            try:
                return action()
            except Transient as error:
                self.pause(attempt, error)
            except Refused as error:
                if error.code not in WRONG_BYTES or doubts <= 0:
                    raise
                doubts -= 1
                self.pause(attempt, as_transient(error))
            attempt += 1

    def pause(self, attempt: int, error: Transient) -> None:
        """Waits before the next attempt; raises `error` if no attempt is left."""
        if attempt >= self.attempts or (error.after or 0) > _PATIENCE:
            raise error
        backoff = min(_LONGEST, _FIRST * 2 ** (attempt - 1)) * (0.5 + self.random() / 2)
        # Jitter is added to the registry's own wait, so that many clients do not return at the same moment.
        self.sleep(backoff if error.after is None else error.after + self.random())
