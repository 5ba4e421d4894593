"""Starting runc in namespaces of its own, and the end of everything in them: with its command, in time, or with us.

Knows processes, not images. What is started has a first process that dies with this one, even when this one is
killed outright; so everything that is mounted or started below it goes as well.
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

from airbyte_ci.container import control_groups
from airbyte_ci.documents import load_json
from airbyte_ci.errors import SandboxError

_PACKAGES = {"unshare": "util-linux", "setpriv": "util-linux", "nsenter": "util-linux", "ip": "iproute2"}
# How often the limits are looked at that the kernel does not keep, in seconds.
_INTERVAL = 0.1


def namespaces(*more: str) -> tuple[str, ...]:
    """The beginning of an argv: mount and process namespaces that end together with this process."""
    return (
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *more, "--"),
    )


# How a launcher's script begins: with the gate's numbers as its first arguments.
WAIT = """
echo ready > "/proc/self/fd/$1"
read -r _ < "/proc/self/fd/$2" || exit 125
shift 2
"""


class Gate:
    """A launcher waits in its namespaces while things are put there from outside; both sides hold two pipes."""

    def __init__(self) -> None:
        self._ready, ready_write = os.pipe()
        go_read, self._go = os.pipe()
        self.descriptors = (ready_write, go_read)
        self._open = [self._ready, self._go, *self.descriptors]

    @property
    def arguments(self) -> tuple[str, str]:
        """What the launcher's script must get first."""
        return str(self.descriptors[0]), str(self.descriptors[1])

    def wait(self) -> bool:
        """Waits for the launcher, which has been started; whether it is there."""
        self._close(*self.descriptors)
        return bool(os.read(self._ready, 1))

    def open(self) -> None:
        """Lets the launcher go on."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._go, b"go\n")
        self.close()

    def close(self) -> None:
        """Without `open` before, the launcher ends."""
        self._close(*self._open)

    def _close(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            if descriptor in self._open:
                os.close(descriptor)
        self._open = [descriptor for descriptor in self._open if descriptor not in descriptors]


def rootless() -> str:
    """What runc is told by `--rootless`: whether it may go without control groups, or shall find out by itself."""
    return "true" if control_groups.refusal() else "auto"


def require(names: Sequence[str], doing: str) -> None:
    """Raises SandboxError for programs that are not installed, with the command that installs them."""
    if missing := [name for name in names if shutil.which(name) is None]:
        raise SandboxError(
            f"{doing}: {', '.join(missing)} not found on this machine",
            advice=f"apt-get install {' '.join(sorted({_PACKAGES.get(name, name) for name in missing}))}",
        )


def watch(
    process: "subprocess.Popen[bytes]", deadline: float | None, broken: Callable[[], str | None] = lambda: None
) -> None:
    """Waits for the end; raises TimeoutError after the deadline, SandboxError when `broken` names a limit."""
    handle = os.pidfd_open(process.pid)
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        while not poller.poll(_INTERVAL * 1000):
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError
            if reason := broken():
                raise SandboxError(reason)
    finally:
        os.close(handle)
    process.wait()


def feed(pipe: IO[bytes], data: bytes) -> None:
    """Writes standard input beside the caller; the other side need not read it."""

    def write() -> None:
        with contextlib.suppress(OSError), pipe:
            pipe.write(data)

    if data:
        threading.Thread(target=write, daemon=True).start()
    else:
        pipe.close()


def end(process: "subprocess.Popen[bytes]") -> None:
    """Killing the first process of the namespaces kills everything in them; then the mounts are gone.

    That process is unshare's child; unshare itself ends when all of them have.
    """
    if process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in [int(child) for child in children] or [process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def start_failure(log: Path) -> str | None:
    """Why runc could not start the command; None where it did."""
    if not log.exists():
        return None
    for line in log.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            record = load_json(line)
            if record.get("level") == "error":
                return str(record.get("msg", "")).rpartition("runc run failed: ")[2]
    return None
