"""Which system calls a sandbox refuses, as data in the form of the OCI runtime specification (config-linux.md#seccomp).

Commands need most of Linux, so this is a list of what is refused, with the reason: everything that Docker's default
profile refuses to containers without privileges, and what has been a way out or into the kernel since.
"""

import platform
from collections.abc import Mapping
from typing import Any

_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97

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
    "other processes' memory": ("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise"),
    "modules and kernels": (
        *("init_module", "finit_module", "delete_module", "create_module", "query_module", "get_kernel_syms"),
        *("kexec_load", "kexec_file_load", "reboot", "nfsservctl", "vhangup"),
    ),
    "the clock and the hardware are this machine's": (
        *("clock_settime", "clock_settime64", "settimeofday", "stime", "clock_adjtime", "clock_adjtime64", "adjtimex"),
        *("iopl", "ioperm", "vm86", "vm86old", "modify_ldt", "set_mempolicy_home_node", "move_pages", "migrate_pages"),
    ),
}
# Calls that look missing, so that programs take their older way: io_uring has been the richest source of kernel
# bugs, and the arguments of clone3 and of socketcall cannot be looked into.
_MISSING = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "socketcall")
# New mount, control group, UTS, IPC, user, PID and network namespaces (linux/sched.h).
_NEW_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
# Sockets to the hypervisor, and to the kernel's cryptography.
_VSOCK, _ALG = 40, 38
# Typing into somebody's terminal (TIOCSTI), and selecting text on a console (TIOCLINUX).
_TERMINAL_REQUESTS = (0x5412, 0x541C)

_ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}


def profile(machine: str = "") -> dict[str, Any]:
    """The profile for a machine (as `uname -m` says; this one by default)."""
    architectures = _ARCHITECTURES.get(machine or platform.machine())
    found: dict[str, Any] = {"defaultAction": "SCMP_ACT_ALLOW"}
    if architectures:
        found["architectures"] = architectures
    names = sorted({name for group in REFUSED.values() for name in group})
    found["syscalls"] = [
        _refuse(names, _EPERM),
        _refuse(sorted(_MISSING), _ENOSYS),
        *(_refuse(["clone"], _EPERM, _masked(0, flag)) for flag in _NEW_NAMESPACES),
        *(_refuse(["socket"], _EAFNOSUPPORT, _equal(0, family)) for family in (_VSOCK, _ALG)),
        *(_refuse(["ioctl"], _EPERM, _masked(1, request, 0xFFFFFFFF)) for request in _TERMINAL_REQUESTS),
    ]
    return found


def _refuse(names: list[str], errno: int, *conditions: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno}
    return {**rule, "args": list(conditions)} if conditions else rule


def _equal(index: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}


def _masked(index: int, value: int, mask: int = 0) -> dict[str, Any]:
    """A flag that is set; or, with a mask, the bits of it that the kernel looks at."""
    return {"index": index, "value": mask or value, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
