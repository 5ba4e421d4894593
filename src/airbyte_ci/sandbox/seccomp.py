"""The system calls that a sandbox may make, as data of the OCI runtime specification (config-linux.md#seccomp).

Commands need most of Linux, and get the calls in `system_calls`. All other numbers fail with ENOSYS, including new
calls of later kernels. Known and refused calls have a reason here: all that Docker's default profile refuses to
containers without privileges, and those that allowed escapes or kernel attacks since.
"""

import platform
from collections.abc import Collection, Mapping
from typing import Any

from airbyte_ci.sandbox.system_calls import ALLOWED

_EPERM, _ENOSYS = 1, 38
# The kernel reads 32 bits of an argument that is an `int`.
_INT = 0xFFFFFFFF

# Reason → calls that always fail with EPERM.
REFUSED: Mapping[str, tuple[str, ...]] = {
    "mounts are the tool's: with one, files of the host or of other layers could be shown or hidden": (
        *("mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr", "mount_setattr"),
        *("fsopen", "fsconfig", "fsmount", "fspick", "quotactl", "quotactl_fd", "swapon", "swapoff"),
    ),
    "a new namespace gives its maker all capabilities in it, and with them most of the kernel's attack surface": (
        *("unshare", "setns"),
    ),
    "files by handle or device leave the sandbox's root": ("open_by_handle_at", "name_to_handle_at"),
    "the kernel's keyrings are not all namespaced": ("keyctl", "add_key", "request_key"),
    "programs for the kernel, and its observation": (
        *("bpf", "perf_event_open", "fanotify_init", "lookup_dcookie", "kcmp", "syslog", "acct"),
    ),
    "means to win races in the kernel": ("userfaultfd",),
    "other processes' memory and open files": (
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "process_madvise",
        "pidfd_getfd",
    ),
    "sockets of any kind, by arguments that cannot be looked into; i386 has a call for each since Linux 4.3": (
        "socketcall",
    ),
    "modules and kernels": (
        *("init_module", "finit_module", "delete_module", "create_module", "query_module", "get_kernel_syms"),
        *("kexec_load", "kexec_file_load", "reboot", "nfsservctl", "vhangup"),
    ),
    "the clock and the hardware are this machine's": (
        *("clock_settime", "clock_settime64", "settimeofday", "stime", "clock_adjtime", "clock_adjtime64", "adjtimex"),
        *("iopl", "ioperm", "vm86", "vm86old", "modify_ldt", "set_mempolicy_home_node", "move_pages", "migrate_pages"),
    ),
}
# Calls that are known, and not listed on purpose, so that programs take their older way: io_uring has been the richest
# source of kernel bugs, and the arguments of clone3 cannot be looked into.
MISSING = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3")
# New mount, control group, UTS, IPC, user, PID and network namespaces (linux/sched.h).
_NEW_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
# Local, IPv4, IPv6 and netlink sockets; others are the hypervisor's, hardware's, or parts of the kernel that few know.
_FAMILIES = (1, 2, 10, 16)
# Typing into another user's terminal (TIOCSTI), and selecting text on a console (TIOCLINUX).
_TERMINAL_REQUESTS = (0x5412, 0x541C)

# A call of an ABI that is not listed ends its process. x32 is not: no distribution has programs for it, and each ABI
# costs a command the time of another filter.
_ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}


def profile(machine: str = "") -> dict[str, Any]:
    """Returns the profile for a machine (as in `uname -m`; this one by default)."""
    architectures = _ARCHITECTURES.get(machine or platform.machine())
    found: dict[str, Any] = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": _ENOSYS}
    if architectures:
        found["architectures"] = architectures
    names = sorted({name for group in REFUSED.values() for name in group})
    found["syscalls"] = [
        # First: i386 has `socket` and others as arguments of `socketcall` too, which a rule for them would allow.
        _refuse(names, _EPERM),
        _allow(sorted(ALLOWED)),
        _allow(["clone"], _masked(0, 0, sum(_NEW_NAMESPACES))),
        *(_refuse(["clone"], _EPERM, _masked(0, flag, flag)) for flag in _NEW_NAMESPACES),
        *(_allow(["socket"], _masked(0, family, _INT)) for family in _FAMILIES),
        *(_allow(["ioctl"], _masked(1, *bits)) for bits in others(_TERMINAL_REQUESTS)),
        *(_refuse(["ioctl"], _EPERM, _masked(1, request, _INT)) for request in _TERMINAL_REQUESTS),
    ]
    return found


def others(values: Collection[int]) -> list[tuple[int, int]]:
    """All numbers of 32 bits but these, as pairs of a value and the bits of it that are compared; no number twice.

    A filter has no "none of these"; and it compares registers of 64 bits, of which the kernel reads 32.
    """
    found, open_ends = [], [(0, 0, frozenset(values))]
    for bit in reversed(range(32)):
        flag = 1 << bit
        sides = [
            (value | side, mask | flag, frozenset(item for item in held if item & flag == side))
            for value, mask, held in open_ends
            for side in (0, flag)
        ]
        found += [(value, mask) for value, mask, held in sides if not held]
        open_ends = [side for side in sides if side[2]]
    return found


def _allow(names: list[str], *conditions: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": names, "action": "SCMP_ACT_ALLOW"}
    return {**rule, "args": list(conditions)} if conditions else rule


def _refuse(names: list[str], errno: int, *conditions: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno}
    return {**rule, "args": list(conditions)} if conditions else rule


def _masked(index: int, value: int, mask: int) -> dict[str, Any]:
    """An argument whose bits in the mask are those of the value."""
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
