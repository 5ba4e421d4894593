"""Blobs that one command pushed, by registry: images of other repositories mount them instead of sending them again."""

import contextlib
import threading
from collections.abc import Iterator

from airbyte_ci.oci.digest import Digest
from airbyte_ci.registry.endpoint import Endpoint


class SharedBlobs:
    """The repositories that have each blob. Threads may share it: of several that need a blob, one sends it first.

    The others then mount it at the same time.
    """

    def __init__(self) -> None:
        # In the order of their pushes; a list would be searched by each of hundreds of repositories.
        self._places: dict[tuple[str, Digest], dict[Endpoint, None]] = {}
        self._turns: dict[tuple[str, Digest], threading.Lock] = {}
        self._lock = threading.Lock()

    def forget(self, registry: str) -> bool:
        """Forgets what the registry had, as it lost some of it. Returns whether there was anything."""
        with self._lock:
            places = [found for (name, _), found in self._places.items() if name == registry and found]
            for found in places:
                found.clear()
        return bool(places)

    def find(self, target: Endpoint, digest: Digest) -> Endpoint | None:
        """Returns a repository of the target's registry that has the blob, the target itself if possible."""
        return self._place((target.registry, digest), target)

    @contextlib.contextmanager
    def turn(self, target: Endpoint, digest: Digest) -> Iterator[Endpoint | None]:
        """Gives a repository of the registry that has the blob, the target itself if possible.

        After the block, the target has it too.
        """
        key = target.registry, digest
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        with contextlib.ExitStack() as held:
            place = self._place(key, target)
            if place is None:
                held.enter_context(turn)
                place = self._place(key, target)
                if place is not None:
                    held.close()
            yield place
            with self._lock:
                self._places.setdefault(key, {})[target] = None

    def _place(self, key: tuple[str, Digest], target: Endpoint) -> Endpoint | None:
        with self._lock:
            places = self._places.get(key, {})
            return target if target in places else next(iter(places), None)
