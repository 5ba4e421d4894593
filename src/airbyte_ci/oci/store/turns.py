"""Turns: of several threads that need the result of one action, one does it, and the others wait.

Threads cannot wait for each other in a circle:

* A thread does not wait for an owner of a turn that waits for it, directly or through other owners.
* A worker of a pool whose results an owner may need waits only for such workers: they always come to an end, so tasks
  that still wait for a place in that pool do too. All others may wait for these workers.
* A thread of an unknown pool waits for nobody, and nobody waits for it.

A thread that must not wait does the action again. Results have the same bytes, so that only takes longer.
"""

import contextlib
import enum
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from airbyte_ci import interruption
from airbyte_ci.oci.digest import Digest

# Only the main thread learns of Ctrl-C by itself; the others look this often, in seconds.
_PAUSE = 0.5


class Role(enum.IntEnum):
    """What a thread may wait for: owners of its own role and of higher ones.

    A `TASK` is a part of an action, in a pool for whose results owners of turns may wait. It never waits for results of
    its own pool. A `SUBJECT` is all work on one connector; no owner of a turn waits for one as a whole.
    """

    UNKNOWN = 0
    SUBJECT = 1
    TASK = 2


class _Owner(NamedTuple):
    thread: int
    role: Role


_local = threading.local()


def as_worker(role: Role) -> Callable[[], None]:
    """Returns the initializer of a pool whose threads have this role. The main thread is a SUBJECT."""

    def begin() -> None:
        _local.role = role

    return begin


def _me() -> _Owner:
    is_main = threading.current_thread() is threading.main_thread()
    role = getattr(_local, "role", Role.SUBJECT if is_main else Role.UNKNOWN)
    return _Owner(threading.get_ident(), role)


class Turns:
    """The actions that threads of this process do now."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owners: dict[Digest, _Owner] = {}
        # By thread: the action whose end it awaits.
        self._awaited: dict[int, Digest] = {}

    @contextlib.contextmanager
    def take(self, *keys: Digest) -> Iterator[tuple[Digest, ...]]:
        """Gives those of the actions that this thread should do during the block, at least one.

        Waits only if other threads do all of them, until one of these ends, well or not: look for its result again.
        Raises KeyboardInterrupt if all work is being stopped.
        """
        me = _me()
        with self._changed:
            try:
                while not (mine := [key for key in keys if key not in self._owners]) and self._may_wait(me, keys[0]):
                    self._awaited[me.thread] = keys[0]
                    self._changed.wait(_PAUSE)
                    interruption.check()
            finally:
                self._awaited.pop(me.thread, None)
            self._owners |= dict.fromkeys(mine, me)
        try:
            yield tuple(mine) or keys
        finally:
            with self._changed:
                for key in mine:
                    del self._owners[key]
                self._changed.notify_all()

    def _may_wait(self, me: _Owner, key: Digest) -> bool:
        owner: _Owner | None = self._owners[key]
        if me.role is Role.UNKNOWN or self._owners[key].role < me.role:
            return False
        while owner and owner != me:
            owner = self._owners.get(self._awaited[owner.thread]) if owner.thread in self._awaited else None
        return owner is None
