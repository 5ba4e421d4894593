"""Commands that failed where a hook asked about them: the same question gets the same failure.

A hook may catch one and go another way, so the failure shaped the image. It is kept for later builds when the hook has
come to its end; a failure that ended the build is not kept, because it may have been the network's.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from airbyte_ci.errors import CommandFailed
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store import Store

T = TypeVar("T")


class Failures:
    """The failures that questions of one evaluation met, by the key of the recipe asked about."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._met: dict[Digest, dict[str, Any]] = {}

    def same(self, key: Digest, ask: Callable[[], T]) -> T:
        """What `ask` gives; raises CommandFailed as it did before, or as it does now."""
        known = self._met.get(key) or self._store.recall(key)
        if known is not None:
            raise CommandFailed(**known)
        try:
            return ask()
        except CommandFailed as error:
            self._met[key] = error.to_json()
            raise

    def keep(self) -> None:
        """Keeps them for later builds: what a command gave once is an input from then on."""
        for key, known in self._met.items():
            self._store.remember(key, known)
        self._met.clear()
