"""Whether the work of this process is being stopped. Threads that wait for other processes ask while they wait.

Python delivers Ctrl-C to the main thread only, so the others need a flag.
"""

import threading

_stopping = threading.Event()


def begin() -> None:
    """Stops all work: from now on, `check` raises."""
    _stopping.set()


def end() -> None:
    """Allows new work, because all earlier work has stopped."""
    _stopping.clear()


def is_stopping() -> bool:
    """Returns whether all work is being stopped: failures now have this cause, and no new work should start."""
    return _stopping.is_set()


def check() -> None:
    """Raises KeyboardInterrupt if all work is being stopped."""
    if _stopping.is_set():
        raise KeyboardInterrupt
