"""Failed commands whose result a hook requested: the same question gets the same failure.

A hook may catch a failure and continue differently, so the failure shaped the image. It is stored for later builds when
the hook has finished. A failure that ended the build is not stored, because its cause may be the network.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from airbyte_ci.errors import CommandFailed
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store

T = TypeVar("T")


class Failures:
    """The failures of one evaluation's questions, by the key of the recipe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._met: dict[Digest, dict[str, Any]] = {}

    def same(self, key: Digest, ask: Callable[[], T]) -> T:
        """Returns the result of `ask`; raises CommandFailed, either the earlier one or a new one."""
        known = self._met.get(key) or self._store.recall(key)
        if known is not None:
            raise CommandFailed(**known)
        try:
            return ask()
        except CommandFailed as error:
            self._met[key] = error.to_json()
            raise

    def keep(self) -> None:
        """Stores the failures for later builds: the first result of a command is an input from then on."""
        for key, known in self._met.items():
            self._store.remember(key, known)
        self._met.clear()
