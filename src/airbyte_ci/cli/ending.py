"""Ending the work of all threads at once: after Ctrl-C, or when one of them failed.

A thread that waits for a process is freed by ending that process; one that computes or reads is interrupted as the
main thread is by Ctrl-C, so that it tidies up on its way out. One that hangs in the kernel is not waited for.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

# How long threads may take to tidy up, in seconds; what they leave then is swept by the next collection of the store.
_GRACE = 3.0
_BEAT = 0.02
# mallopt(3), glibc: how many arenas there are at most.
_M_ARENA_MAX = -8
_ARENAS = 2
# Longer than any import of ours. What imports longer waits for a lock that a thread left behind when it was interrupted
# at the beginning of an import; nothing of it is open.
_IMPORT = 0.5
# Set while the work of all threads is being ended, and for good after an interruption.
_ending = threading.Event()
# The threads that are at work, over all pools: those of one wait for those of another.
_working: set[int] = set()
_lock = threading.Lock()


def is_ending() -> bool:
    """Whether everything is being ended: what fails now fails for that, and nothing new should begin."""
    return _ending.is_set()


def is_waited_for() -> bool:
    """Whether some thread is still at work; after an interruption, one that did not end in time."""
    return bool(_working)


@contextlib.contextmanager
def pool(width: int) -> Iterator[Executor]:
    """A pool whose work, and that of all others, ends at once with an error or an interruption of the block."""
    made = _Pool(width)
    try:
        yield made
    except BaseException:
        is_main = threading.current_thread() is threading.main_thread()
        made.shutdown(wait=not is_main, cancel_futures=True)
        if is_main:
            _end_all()
        raise
    made.shutdown(wait=True, cancel_futures=True)


class _Pool(ThreadPoolExecutor):
    """Knows which threads are at work, so that nobody else is interrupted."""

    def __init__(self, width: int) -> None:
        super().__init__(width, initializer=_share_arenas)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(_tracked, fn, *args, **kwargs)


def _share_arenas() -> None:
    """Memory that one thread gave back is taken by the next: with an arena for each, a cold build had 40 MB more."""
    import ctypes  # not before there is a thread

    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def _tracked(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    me = threading.get_ident()
    with _lock:
        _working.add(me)
    try:
        return work(*arguments, **named)
    finally:
        with _lock:
            _working.discard(me)


def _end_all() -> None:
    """Returns when no thread is at work any more, or after the time of grace."""
    if _ending.is_set():
        return  # it was tried already, for a pool inside of this one
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
        # Again and again: a thread that was just about to start a process has done so by now.
        _end_children()
        time.sleep(_BEAT)
        now = time.monotonic()
    if not _working:
        _ending.clear()


def _interrupt(thread: int) -> None:
    """Raises KeyboardInterrupt in a thread, at its next instruction."""
    import ctypes  # only needed in the end

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a thread is importing: it would leave a lock behind, and block all others that import."""
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _end_children() -> None:
    """Ends every process that was started here: the threads that wait for them then end too."""
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError, ValueError):
            for child in (task / "children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
