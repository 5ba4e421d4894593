"""Stops the work of all threads: after Ctrl-C, or when one of them fails.

A thread that waits for a process is released by killing that process. A thread that computes or reads receives a
KeyboardInterrupt, so that it can clean up. A thread that hangs in the kernel is abandoned.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # slow to import, and an unchanged build opens no pool
    from concurrent.futures import Executor

# How long threads may take to clean up, in seconds; the next garbage collection of the store removes the rest.
_GRACE = 3.0
_BEAT = 0.02
# mallopt(3), glibc: the maximum number of arenas.
_M_ARENA_MAX = -8
_ARENAS = 2
# Longer than any import takes, in seconds. A thread that imports for longer waits for a lock that another thread left
# behind when it was interrupted during an import; it holds no resources.
_IMPORT = 0.5
# Set while the threads are being stopped, and permanently after an interruption.
_ending = threading.Event()
# The threads at work in all pools; threads of one pool may wait for those of another.
_working: set[int] = set()
_lock = threading.Lock()


def is_ending() -> bool:
    """Returns whether everything is being stopped: failures now have this cause, and no new work should start."""
    return _ending.is_set()


def is_waited_for() -> bool:
    """Returns whether a thread is still at work; after an interruption, one that did not stop in time."""
    return bool(_working)


@contextlib.contextmanager
def pool(width: int) -> "Iterator[Executor]":
    """Opens a thread pool. If the block ends with an error or an interruption, the work of all pools is stopped."""
    from airbyte_ci.cli.tracked_pool import TrackedPool

    made = TrackedPool(width, initializer=_share_arenas, run=_track)
    try:
        yield made
    except BaseException:
        is_main = threading.current_thread() is threading.main_thread()
        made.shutdown(wait=not is_main, cancel_futures=True)
        if is_main:
            _end_all()
        raise
    made.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def deferred_pool(width: int) -> "Iterator[Callable[[], Executor]]":
    """Yields a function that opens a thread pool at its first call, and returns the same pool later."""
    lock = threading.Lock()
    opened: list[Executor] = []
    with contextlib.ExitStack() as stack:

        def open_pool() -> "Executor":
            with lock:
                if not opened:
                    opened.append(stack.enter_context(pool(width)))
            return opened[0]

        yield open_pool


def _share_arenas() -> None:
    """Lets threads reuse each other's memory: with one arena per thread, a cold build needed 40 MB more."""
    import ctypes  # not before there is a thread

    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def _track(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    me = threading.get_ident()
    with _lock:
        _working.add(me)
    try:
        return work(*arguments, **named)
    finally:
        with _lock:
            _working.discard(me)


def _end_all() -> None:
    """Returns when no thread is at work any more, or after the grace period."""
    if _ending.is_set():
        return  # a pool inside of this one has already tried
    _ending.set()
    now = time.monotonic()
    deadline, busy = now + _GRACE, now
    interrupted: set[int] = set()
    while _working and now < min(deadline, busy + _IMPORT):
        frames = sys._current_frames()
        with _lock:
            at_work = {thread for thread in _working if not _is_importing(frames.get(thread))}
            for thread in at_work - interrupted:
                _interrupt(thread)
        interrupted |= at_work
        busy = now if at_work else busy
        # Repeated, because a thread may have started another process in the meantime.
        _end_children()
        time.sleep(_BEAT)
        now = time.monotonic()
    if not _working:
        _ending.clear()


def _interrupt(thread: int) -> None:
    """Raises KeyboardInterrupt in a thread, at its next instruction."""
    import ctypes  # needed only here

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))


def _is_importing(frame: FrameType | None) -> bool:
    """Returns whether a thread is importing: interrupting it would leave a lock that blocks all other imports."""
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _end_children() -> None:
    """Kills every child process, so that the threads that wait for them continue."""
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError, ValueError):
            for child in (task / "children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
