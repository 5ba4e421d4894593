"""The users and groups of a sandbox: their numbers on this machine, and how a sandbox gets them.

A file of an image has on disk the owner that the image names. Mounts show it with another owner (mount_setattr(2),
MOUNT_ATTR_IDMAP): user 0 of the image is user 3221225472 + n × 65536 here, a number of no account. The same table
creates the sandbox's user namespace, so its root owns the image's files, if they are mounted for it, and no other file.
"""

import contextlib
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.errors import SandboxError
from airbyte_ci.rootfs.user_namespace import Table

# No account has a number from here on (systemd's list of ranges, UIDS-GIDS.md: 32-bit numbers that look negative).
_NOBODYS = 1 << 31
# Each sandbox has its own range for small numbers; larger ones share a range, and from here on they have none.
_SMALL = 1 << 16
_MANY = 1 << 30
_RANGES = _MANY // _SMALL - 1
# Whiteouts and work folders, which overlayfs creates in its own name, have this owner on disk.
_OVERLAYS = (_MANY, 0, 1)


@dataclass(frozen=True, slots=True)
class Identities:
    """The owners of one sandbox: `mounts` is an open user namespace for mapping mounts."""

    number: int
    mounts: int

    @property
    def table(self) -> Table:
        """Returns the number here for each number inside."""
        return _table(self.number)

    def outside(self, inside: int) -> int:
        """Returns the number here of an image's user or group; the overflow number if it has none."""
        for first, here, many in self.table:
            if first <= inside < first + many:
                return here + inside - first
        return here


def _table(number: int) -> Table:
    return ((0, _NOBODYS + _MANY + number * _SMALL, _SMALL), (_SMALL, _NOBODYS + _SMALL, _MANY - _SMALL))


# Echoes its input from the new namespace.
_PROGRAM = ("unshare", "--user", "cat")
# The setting that forbids them, or limits their number.
ALLOW_NAMESPACES = "sudo sysctl -w user.max_user_namespaces=15000"
_lock = threading.Lock()
_free: list[Identities] = []
_taken: set[int] = set()


@contextlib.contextmanager
def borrow() -> Iterator[Identities]:
    """Returns numbers that no other sandbox of this process uses; other processes rarely do (1 of 16,383).

    Raises SandboxError if the kernel cannot create a user namespace.
    """
    with _lock:
        found = _free.pop() if _free else None
    found = found or _make()
    try:
        yield found
    finally:
        with _lock:
            _free.append(found)


def _make() -> Identities:
    with _lock:
        number = next(number for number in iter(lambda: secrets.randbelow(_RANGES), None) if number not in _taken)
        _taken.add(number)
    return Identities(number, _open_namespace((*_table(number), _OVERLAYS)))


def _open_namespace(table: Table) -> int:
    """Returns a user namespace with this table and no process in it."""
    pipe = subprocess.PIPE
    with subprocess.Popen(_PROGRAM, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin and process.stdout and process.stderr
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"\n")
        if not process.stdout.read(1):  # An echoed line proves that a process ran in the namespace.
            said = process.stderr.read().decode(errors="replace").strip()
            raise SandboxError(
                f"cannot make a user namespace for a sandbox: {said}",
                advice=ALLOW_NAMESPACES,
                error_id="sandbox-unavailable",
            )
        rows = "".join(f"{inside} {outside} {many}\n" for inside, outside, many in table)
        place = Path(f"/proc/{process.pid}")
        for name in ("uid_map", "gid_map"):
            (place / name).write_text(rows)
        return os.open(place / "ns/user", os.O_RDONLY | os.O_CLOEXEC)
