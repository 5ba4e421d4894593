"""The processes of this machine as a test sees them, and pauses that end when the test says so.

A test that sleeps until another process is likely to have done something fails on a slow machine. These functions wait
for what the process does.
"""

import os
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# A limit for what never happens; nothing depends on its length.
_PATIENCE = 600.0


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


def wait_for_handlers(process: int) -> None:
    """Waits until a command of airbyte-ci has its signal handlers; until then, Python's own start answers signals."""
    with Path(f"/proc/{process}/status").open() as status:
        while not _catches_sigterm(status.read()):
            status.seek(0)


def _catches_sigterm(status: str) -> bool:
    """Python itself never catches SIGTERM."""
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))


class Pause:
    """A place where commands wait: a `sleep` of a number of seconds that no other process sleeps.

    `argv` is the command, and `shell` the same as a line. Its exit code is not 0, because `end` kills it.
    """

    def __init__(self) -> None:
        self.argv = ("sleep", f"4242.{uuid.uuid4().int % 10**15:015d}")
        self.shell = " ".join(self.argv)

    def reached(self) -> list[int]:
        """Returns the processes that wait here."""
        return processes("\0".join(self.argv))

    def wait(self, count: int = 1) -> list[int]:
        """Waits until this many processes are here, and returns them."""
        assert until(lambda: len(self.reached()) >= count), f"{len(self.reached())} of {count} processes"
        return self.reached()

    def end(self) -> None:
        """Lets all that wait here go on."""
        for process in self.reached():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
