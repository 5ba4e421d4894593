"""Starts runc in namespaces of its own, and ends everything in them: with the command, on a timeout, or with us.

Handles processes, not images. The first process dies with this one, even if this one is killed, so everything mounted
or started below it ends as well.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from airbyte_ci import interruption
from airbyte_ci.documents import load_json
from airbyte_ci.errors import SandboxError
from airbyte_ci.sandbox import control_groups

_PACKAGES = {"unshare": "util-linux", "setpriv": "util-linux", "nsenter": "util-linux", "ip": "iproute2"}
# The interval, in seconds, for checking limits that the kernel does not enforce.
_INTERVAL = 0.1


def namespaces(*more: str) -> tuple[str, ...]:
    """Returns the start of an argv: mount and process namespaces that end with this process."""
    return (
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *more, "--"),
    )


# The start of a launcher's script: its first arguments are the gate's descriptors.
WAIT = """
echo ready > "/proc/self/fd/$1"
read -r _ < "/proc/self/fd/$2" || exit 125
shift 2
"""


class Gate:
    """A launcher waits in its namespaces while mounts are added from outside; two pipes connect both sides."""

    def __init__(self) -> None:
        self._ready, ready_write = os.pipe()
        go_read, self._go = os.pipe()
        self.descriptors = (ready_write, go_read)
        self._open = [self._ready, self._go, *self.descriptors]

    @property
    def arguments(self) -> tuple[str, str]:
        """Returns the first arguments of the launcher's script."""
        return str(self.descriptors[0]), str(self.descriptors[1])

    def wait(self) -> bool:
        """Waits for the started launcher; returns whether it is ready."""
        self._close(*self.descriptors)
        return bool(os.read(self._ready, 1))

    def open(self) -> None:
        """Lets the launcher continue."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._go, b"go\n")
        self.close()

    def close(self) -> None:
        """Ends the launcher, unless `open` ran before."""
        self._close(*self._open)

    def _close(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            if descriptor in self._open:
                os.close(descriptor)
        self._open = [descriptor for descriptor in self._open if descriptor not in descriptors]


def rootless() -> str:
    """Returns the value of runc's `--rootless`: whether to run without control groups, or to detect that itself."""
    return "true" if control_groups.refusal() else "auto"


def require(names: Sequence[str], doing: str) -> None:
    """Raises SandboxError for missing programs, with the command that installs them."""
    if missing := [name for name in names if shutil.which(name) is None]:
        raise SandboxError(
            f"{doing}: {', '.join(missing)} not found on this machine",
            advice=f"apt-get install {' '.join(sorted({_PACKAGES.get(name, name) for name in missing}))}",
            error_id="sandbox-unavailable",
        )


def watch(
    process: "subprocess.Popen[bytes]", deadline: float | None, broken: Callable[[], str | None] = lambda: None
) -> None:
    """Waits for the end of a process, as `wait_for` does."""
    handle = os.pidfd_open(process.pid)
    try:
        wait_for(handle, deadline, broken)
    finally:
        os.close(handle)
    process.wait()


def wait_for(descriptor: int, deadline: float | None, broken: Callable[[], str | None] = lambda: None) -> None:
    """Waits until a descriptor is readable. Raises TimeoutError after the deadline.

    Raises SandboxError if `broken` names a limit, and KeyboardInterrupt if all work is being stopped.
    """
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    while not poller.poll(_INTERVAL * 1000):
        interruption.check()
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError
        if reason := broken():
            raise SandboxError(reason)


def feed(pipe: IO[bytes], data: bytes) -> None:
    """Writes standard input in a thread; the other side need not read it."""

    def write() -> None:
        with contextlib.suppress(OSError), pipe:
            pipe.write(data)

    if data:
        threading.Thread(target=write, daemon=True).start()
    else:
        pipe.close()


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kills everything in the namespaces by killing their first process; their mounts disappear too.

    That process is unshare's child; unshare itself ends after all of them.
    """
    if process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in [int(child) for child in children] or [process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def start_failure(log: Path) -> str | None:
    """Returns why runc could not start the command; None if it did."""
    if not log.exists():
        return None
    for line in log.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            record = load_json(line)
            if record.get("level") == "error":
                return str(record.get("msg", "")).rpartition("runc run failed: ")[2]
    return None
