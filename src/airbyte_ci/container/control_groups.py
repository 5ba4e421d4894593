"""The control groups that runc makes for a sandbox: their names, and their removal when runc could not.

A name tells which process made it, so that the next one finds what a killed process left behind.
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
    """Notes that runc could not make groups, if that is what its reason says; whether to try again without them.

    Some machines' containers have no groups of their own. Then limits are kept per process only.
    """
    if "cgroup" not in reason or _refusals:
        return False
    _refusals.append(reason)
    return True


def refusal() -> str | None:
    """Why there are no control groups, as far as this process knows."""
    return _refusals[0] if _refusals else None


def new_name() -> str:
    """The name of a sandbox: unique on this machine, and dead when its maker is."""
    pid = os.getpid()
    return f"airbyte-ci-{_pid_namespace()}-{pid}-{_started(pid)}-{next(_numbers)}"


def remove(name: str) -> None:
    """Removes a sandbox's groups, where they are still there."""
    for place in _places():
        with contextlib.suppress(OSError):
            (place / name).rmdir()


def sweep() -> None:
    """Removes the groups of makers that are dead."""
    for place in _places():
        with contextlib.suppress(OSError):
            for name in os.listdir(place):  # noqa: PTH208  # hot: once for each command
                if is_orphan(name):
                    (place / name).rmdir()


def is_orphan(name: str) -> bool:
    """Whether this is a sandbox's name whose maker was a process of this namespace and is dead."""
    maker = _NAME.match(name)
    return bool(maker and int(maker[1]) == _pid_namespace() and _started(int(maker[2])) != int(maker[3]))


def _places() -> Iterator[Path]:
    """runc makes groups beside our own (version 2) or below it (version 1), in each hierarchy."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        for hierarchy in ("unified", controllers.removeprefix("name=")):
            for place in {own, os.path.dirname(own)}:  # noqa: PTH120  # a name in the kernel's tree of groups
                yield _ROOT / hierarchy / place.strip("/")


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _started(pid: int) -> int:
    """When a process began, in the kernel's ticks; -1 where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return -1
    return int(text.rpartition(")")[2].split()[19])
