"""Thread pools whose work stops with the command: after Ctrl-C, or when a part of it fails.

A thread that waits for a sandbox or reports progress stops by itself (`interruption`). One that does neither for the
grace period is abandoned.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from airbyte_ci import interruption
from airbyte_ci.oci.store import turns
from airbyte_ci.oci.store.turns import Role

if TYPE_CHECKING:  # slow to import, and an unchanged build opens no pool
    from concurrent.futures import Executor

# How long threads may take to stop, in seconds. The next garbage collection of the store removes what they leave.
_GRACE = 3.0
# mallopt(3), glibc: parameters by number, with their values. The maximum number of arenas; from how many bytes on a
# piece is returned to the system when it is freed; and how many free bytes at the end of the heap are kept. Without the
# last two, glibc raises its own limit with the first large piece, and keeps the memory of later ones.
_MALLOC = {-8: 2, -3: 1 << 20, -1: 2 << 20}


@contextlib.contextmanager
def pool(width: int, role: Role = Role.SUBJECT) -> "Iterator[Executor]":
    """Opens a thread pool. If the block of the main thread fails or is interrupted, all work is stopped.

    The `role` says which actions of others its threads may wait for.
    """
    from concurrent.futures import ThreadPoolExecutor

    def begin() -> None:
        turns.as_worker(role)()
        _share_arenas()

    made = ThreadPoolExecutor(width, initializer=begin)
    try:
        yield made
    except BaseException:
        if threading.current_thread() is threading.main_thread():
            _stop(made)
        raise
    finally:
        made.shutdown(wait=not interruption.is_stopping(), cancel_futures=True)


@contextlib.contextmanager
def deferred_pool(width: int) -> "Iterator[Callable[[], Executor]]":
    """Yields a function that opens a thread pool at its first call, and returns the same pool later.

    Its threads do parts of the work on connectors (Role.TASK).
    """
    lock = threading.Lock()
    opened: list[Executor] = []
    with contextlib.ExitStack() as stack:

        def open_pool() -> "Executor":
            with lock:
                if not opened:
                    opened.append(stack.enter_context(pool(width, Role.TASK)))
            return opened[0]

        yield open_pool


def leave(code: int) -> NoReturn:
    """Ends this process at once, whatever its threads do. Sandboxes end with it; other child processes are killed."""
    sys.stdout.flush()
    sys.stderr.flush()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError, ValueError):
            for child in (task / "children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
    os._exit(code)


def _stop(made: "Executor") -> None:
    """Stops the work of all pools, and returns when no thread of this one is at work, or after the grace period."""
    is_first = not interruption.is_stopping()
    interruption.begin()

    def close() -> None:
        made.shutdown(cancel_futures=True)
        interruption.end()

    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(_GRACE if is_first else 0)


def _share_arenas() -> None:
    """Lets threads reuse each other's memory: with one arena per thread, a cold build needed 40 MB more."""
    import ctypes  # not before there is a thread

    with contextlib.suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in _MALLOC.items():
            mallopt(parameter, value)
