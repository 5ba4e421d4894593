"""Runs the same action for many blobs in parallel. Knows nothing of the action."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")


class Cancelled(Exception):
    """Another blob failed, so this one was cancelled; never leaves this package."""


def each(items: Iterable[T], width: int, action: Callable[[T, threading.Event], None]) -> None:
    """Runs `action` for all items; after the first failure, stops the others and raises the failure.

    The event that `action` receives is set when it should stop early.
    """
    work = list(items)
    stop = threading.Event()
    if len(work) < 2 or width < 2:
        for item in work:
            action(item, stop)
        return
    with ThreadPoolExecutor(max_workers=min(width, len(work)), thread_name_prefix="blob") as pool:
        futures = [pool.submit(action, item, stop) for item in work]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
    failures = [future.exception() for future in futures if future.done() and not future.cancelled()]
    for failure in failures:
        if failure is not None and not isinstance(failure, Cancelled):
            raise failure
