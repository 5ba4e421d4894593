"""System calls without a Python function: mounts as file descriptors, and joining namespaces.

See their numbers and structures here (open_tree(2), mount_setattr(2), move_mount(2), setns(2), linux/mount.h).
"""

import ctypes
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The same numbers on each architecture: these calls are newer than the common table.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _CLOEXEC, _FROM_EMPTY_PATH = 1, os.O_CLOEXEC, 4
_READ_ONLY, _NO_SUID, _NO_DEVICES, _MAP_IDS = 1, 2, 4, 0x100000
_PRIVATE = 1 << 18
_SHARED_PLACES, _MOUNTS, NETWORK = 0x200, 0x00020000, 0x40000000
# The flags of mount(2) for every mount of a sandbox.
_HARMLESS = _NO_SUID | _NO_DEVICES
_FREE_BIND = 15  # IP_FREEBIND, ip(7)
_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    """struct mount_attr."""

    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


def clone_mount(place: Path) -> int:
    """Returns a detached copy of the mount at a place and those below; the caller closes the descriptor."""
    flags = _OPEN_TREE_CLONE | _CLOEXEC | _AT_RECURSIVE
    return _call(_libc.syscall, _OPEN_TREE, _AT_FDCWD, os.fsencode(place), ctypes.c_uint(flags))


def restrict(mount: int, *, writable: bool) -> None:
    """Disables set-user-ID bits and devices of a cloned mount, and makes it read-only unless requested otherwise."""
    _set(mount, _Attributes(_HARMLESS | (0 if writable else _READ_ONLY), 0, _PRIVATE, 0))


def map_ids(mount: int, user_namespace: int) -> None:
    """Maps the owners of a cloned mount by the user namespace: the inside number on disk, the outside number here.

    Raises OSError, EINVAL if the file system does not support it.
    """
    _set(mount, _Attributes(_MAP_IDS, 0, 0, user_namespace))


def _set(mount: int, attributes: _Attributes) -> None:
    size = ctypes.sizeof(attributes)
    flags = ctypes.c_uint(_AT_EMPTY_PATH | _AT_RECURSIVE)
    _call(_libc.syscall, _MOUNT_SETATTR, mount, b"", flags, ctypes.byref(attributes), ctypes.c_size_t(size))


def attach(mount: int, place: Path) -> None:
    """Attaches a cloned mount."""
    _call(_libc.syscall, _MOVE_MOUNT, mount, b"", _AT_FDCWD, os.fsencode(place), ctypes.c_uint(_FROM_EMPTY_PATH))


def mount(kind: str, place: Path, options: str) -> None:
    """Mounts a new file system without set-user-ID bits and devices."""
    _call(_libc.mount, kind.encode(), os.fsencode(place), kind.encode(), ctypes.c_ulong(_HARMLESS), options.encode())


def in_mounts_of(pid: int | None, work: Callable[[], None]) -> None:
    """Runs the work in the mount namespace of a process, or in a new one that ends with the work."""

    def enter() -> None:
        # A thread may change its mount namespace only if it shares its working directory with no other thread.
        _call(_libc.unshare, _SHARED_PLACES | (0 if pid else _MOUNTS))
        if pid:
            _join(f"/proc/{pid}/ns/mnt", _MOUNTS)
        else:
            _call(_libc.mount, None, b"/", None, ctypes.c_ulong(_PRIVATE | 0x4000), None)
        work()

    _alone(enter)


def new_network(work: Callable[[], None]) -> int:
    """Creates a network namespace and runs the work in it; it lives until the caller closes the descriptor."""
    found: list[int] = []

    def enter() -> None:
        _call(_libc.unshare, NETWORK)
        found.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | _CLOEXEC))
        work()

    try:
        _alone(enter)
    except BaseException:
        for descriptor in found:
            os.close(descriptor)
        raise
    return found[0]


def listen_in_network_of(pid: int, port: int) -> socket.socket:
    """Returns a socket that listens on 127.0.0.1 in the network namespace of a process, and is served from here."""
    found: list[socket.socket] = []

    def enter() -> None:
        _join(f"/proc/{pid}/ns/net", NETWORK)
        # The namespace of a socket is the one in which it was created, whoever uses it later.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.append(listener)
        # The loopback device may still be down and without its address.
        listener.setsockopt(socket.IPPROTO_IP, _FREE_BIND, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()

    try:
        _alone(enter)
    except BaseException:
        for listener in found:
            listener.close()
        raise
    return found[0]


def _alone(work: Callable[[], None]) -> None:
    """Runs the work in a thread of its own, which ends with it: a thread cannot leave a namespace otherwise."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result()


def _join(place: str, kind: int) -> None:
    descriptor = os.open(place, os.O_RDONLY | _CLOEXEC)
    try:
        _call(_libc.setns, descriptor, kind)
    finally:
        os.close(descriptor)


def _call(function: Callable[..., int], *arguments: object) -> int:
    result = function(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
