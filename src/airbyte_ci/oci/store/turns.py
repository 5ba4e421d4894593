"""Turns: of several threads or processes that need the result of one action, one does it, and the others wait.

Threads cannot wait for each other in a circle:

* A thread does not wait for an owner of a turn that waits for it, directly or through other owners.
* A worker of a pool whose results an owner may need waits only for such workers: they always come to an end, so tasks
  that still wait for a place in that pool do too. All others may wait for these workers.
* A thread of an unknown pool waits for nobody, and nobody waits for it.

Processes cannot do so either. They take turns for some actions, after the threads of each process:

* During such an action, its thread is like one of an unknown pool. It may need tasks of its own process.
* Tasks wait only for tasks of other processes, which need nobody. All others wait only for such others.

A thread that must not wait does the action again, and so does one that has waited too long for another process, which
may be stopped. Results have the same bytes, so that only takes longer.
"""

import contextlib
import enum
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from airbyte_ci import disk, interruption
from airbyte_ci.oci.digest import Digest

# Only the main thread learns of Ctrl-C by itself; the others look this often, in seconds.
_PAUSE = 0.5
# The first pause of a thread that waits for another process, in seconds. Each is longer than the one before.
_FIRST_PAUSE = 0.02
# How long to wait for another process, in seconds. Few actions take longer, and a stopped process never ends one.
_PATIENCE = 600.0


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
    return _Owner(threading.get_ident(), Role.UNKNOWN if getattr(_local, "excludes", False) else role)


class Turns:
    """The actions that threads of this process do now. Other processes have their own object for the same file.

    A thread waits at most `patience` seconds for another process.
    """

    def __init__(self, file: Path, patience: float = _PATIENCE) -> None:
        self._others = disk.ByteLocks(file)
        self._patience = patience
        self._changed = threading.Condition()
        self._owners: dict[Digest, _Owner] = {}
        # By thread: the action whose end it awaits.
        self._awaited: dict[int, Digest] = {}

    @contextlib.contextmanager
    def take(self, *keys: Digest, say: Callable[[str], None] | None = None) -> Iterator[tuple[Digest, ...]]:
        """Gives those of the actions that this thread should do during the block, at least one.

        Waits only if other threads do all of them, until one of these ends, well or not: look for its result again.
        With `say`, other processes are like other threads, and it reports that this thread waits for one. Use it for
        expensive actions whose parts nobody else needs. Raises KeyboardInterrupt if all work is being stopped.
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
            if say and mine and me.role is not Role.UNKNOWN:
                with self._exclude_others(mine, me.role, say) as mine_alone:
                    yield mine_alone
            else:
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

    @contextlib.contextmanager
    def _exclude_others(
        self, keys: list[Digest], role: Role, say: Callable[[str], None]
    ) -> Iterator[tuple[Digest, ...]]:
        """Gives those of the actions that no other process does, or all of them when the patience ends."""
        locked: list[Digest] = []
        pause, end = _FIRST_PAUSE, time.monotonic() + self._patience
        try:
            while not locked and time.monotonic() < end:
                locked += [key for key in keys if self._others.take(_place(key, role))]
                if not locked:
                    if pause == _FIRST_PAUSE:
                        say("waiting for another process that does the same")
                    interruption.check()
                    time.sleep(pause)
                    pause = min(2 * pause, _PAUSE)
            _local.excludes = True
            yield tuple(locked or keys)
        finally:
            _local.excludes = False
            for key in locked:
                self._others.release(_place(key, role))


def _place(key: Digest, role: Role) -> int:
    """Returns the number of an action's lock: tasks and others have different ones."""
    return int(key.hex[:15], 16) * 2 + (role is Role.TASK)
