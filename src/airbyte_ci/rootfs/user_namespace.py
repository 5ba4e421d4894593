"""Whether this process is root of the machine or of a user namespace, and the available ids."""

import functools
from pathlib import Path

# First number inside, first number outside, count.
Table = tuple[tuple[int, int, int], ...]
_ALL: Table = ((0, 0, 4294967295),)


@functools.cache
def inside() -> bool:
    """Whether this process's root is not the machine's root."""
    return _read("uid_map") != _ALL


def unmapped() -> int | None:
    """Returns the id that this user namespace shows for the users outside of it; None outside of one."""
    return int(Path("/proc/sys/kernel/overflowuid").read_text()) if inside() else None


@functools.cache
def same() -> tuple[Table, Table]:
    """All users and groups of this namespace, for a namespace below it in which each keeps its number.

    None where this machine allows no more namespaces.
    """
    limit = Path("/proc/sys/user/max_user_namespaces")
    if not limit.exists() or int(limit.read_text()) == 0:
        return (), ()
    users, groups = (tuple((first, first, many) for first, _, many in _read(name)) for name in ("uid_map", "gid_map"))
    return users, groups


def name() -> str:
    """Returns the name of this user namespace, for files written in it; empty outside of one."""
    return "".join(f"-{first}+{many}" for _, first, many in _read("uid_map")) if inside() else ""


def _read(name: str) -> Table:
    rows = (line.split() for line in Path("/proc/self", name).read_text().splitlines())
    return tuple((int(first), int(outside), int(many)) for first, outside, many in rows)
