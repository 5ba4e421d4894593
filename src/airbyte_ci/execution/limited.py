"""Runs a command whose processes together may use a limited amount of memory. Linux only; elsewhere without a limit.

A limit of addresses (ulimit) would refuse large mapped files, and control groups need rights that a worker rarely has.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_LOOK_SECONDS = 0.5
# Pages of files are not included: the kernel can read them again.
_COUNTED = ("RssAnon:", "RssShmem:")


class MemoryExceededError(Exception):
    """The processes used this many bytes, and were killed."""

    def __init__(self, used: int) -> None:
        super().__init__(f"{used} bytes of memory")
        self.used = used


def run(command: Sequence[str], folder: Path, memory: int = 0) -> "subprocess.CompletedProcess[bytes]":
    """Returns the exit code and the output of a command; `memory` is the limit in bytes, or 0 for none.

    The memory is measured every half second. Raises MemoryExceededError.
    """
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while True:
            try:
                output, error = process.communicate(timeout=_LOOK_SECONDS if memory else None)
            except subprocess.TimeoutExpired:
                tree = list(_tree(process.pid))
                if (used := sum(map(_memory_of, tree))) > memory:
                    for pid in tree:  # parents first, so that they start nothing else
                        with suppress(ProcessLookupError, PermissionError):
                            os.kill(pid, signal.SIGKILL)
                    raise MemoryExceededError(used) from None
            else:
                return subprocess.CompletedProcess(command, process.returncode, output, error)


def _tree(root: int) -> Iterator[int]:
    """Yields a process and its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop(0)
        yield pid
        waiting += children.get(pid, [])


def _memory_of(pid: int) -> int:
    """Returns the bytes of memory that only this process needs; 0 if it has ended, or is unknown."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(_COUNTED)) * 1024
