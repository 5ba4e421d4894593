"""The control groups that runc creates for a sandbox: their names, and their removal if runc cannot remove them.

A name identifies the process that created it, so that the next process finds what a killed one left behind.
"""

import contextlib
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_NAME = re.compile(r"airbyte-ci-(\d+)-(\d+)-(\d+)-\d+")
_numbers = itertools.count()
_refusals: list[str] = []


def refused(reason: str) -> bool:
    """Records that runc cannot create groups, if this is its reason; returns whether to try again without groups.

    Some machines' containers have no groups of their own. Then limits apply per process only.
    """
    if "cgroup" not in reason or _refusals:
        return False
    _refusals.append(reason)
    return True


def refusal() -> str | None:
    """Returns why there are no control groups, as far as this process knows."""
    return _refusals[0] if _refusals else None


def new_name() -> str:
    """Returns the name of a sandbox: unique on this machine, and stale when its process is dead."""
    pid = os.getpid()
    return f"airbyte-ci-{_pid_namespace()}-{pid}-{_started(pid)}-{next(_numbers)}"


def remove(name: str) -> None:
    """Removes a sandbox's groups, if they still exist."""
    for place in _places():
        with contextlib.suppress(OSError):
            (place / name).rmdir()


def sweep() -> None:
    """Removes the groups of dead processes."""
    for place in _places():
        with contextlib.suppress(OSError):
            for name in os.listdir(place):  # noqa: PTH208  # hot: once for each command
                if is_orphan(name):
                    (place / name).rmdir()


def is_orphan(name: str) -> bool:
    """Whether this is a sandbox's name whose process belonged to this namespace and is dead."""
    maker = _NAME.match(name)
    return bool(maker and int(maker[1]) == _pid_namespace() and _started(int(maker[2])) != int(maker[3]))


def _places() -> Iterator[Path]:
    """Yields the folders of groups, per hierarchy: next to our own (version 2) or below it (version 1)."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        for hierarchy in ("unified", controllers.removeprefix("name=")):
            for place in {own, os.path.dirname(own)}:  # noqa: PTH120  # a name in the kernel's tree of groups
                yield _ROOT / hierarchy / place.strip("/")


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _started(pid: int) -> int:
    """Returns a process's start time in kernel ticks; -1 if it does not exist."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return -1
    return int(text.rpartition(")")[2].split()[19])
