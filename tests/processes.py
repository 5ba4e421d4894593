"""The processes of this machine as a test sees them.

A test that sleeps until another process is likely to have done something fails on a slow machine. These functions wait
for what the process does.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

# A limit for what never happens; nothing depends on its length.
_PATIENCE = 120.0


def processes(word: str) -> list[int]:
    """Returns the processes, in all namespaces below this one, whose argv contains a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes() and int(path.parts[2]) != os.getpid():
                found.append(int(path.parts[2]))
        except OSError:
            continue
    return found


def until(condition: Callable[[], object], seconds: float = _PATIENCE) -> bool:
    """Waits for a condition; returns whether it came."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
