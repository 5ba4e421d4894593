"""System calls from inside a sandbox: what is not known does not exist, and what is refused is refused in every ABI."""

import platform
import re
import signal
from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import seccomp
from airbyte_ci.sandbox.seccomp import MISSING, REFUSED
from airbyte_ci.sandbox.system_calls import ALLOWED
from tests.sandbox.python_in_image import run_python

EPERM, ENOSYS = 1, 38
NATIVE = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
found = []
for call in argv[0]:
    ctypes.set_errno(0)
    number, *rest = [ctypes.c_long(item) for item in call]
    found.append(0 if libc.syscall(number, *rest) >= 0 else ctypes.get_errno())
print(json.dumps(found))
"""
# push rbx; mov eax, edi; mov ebx, esi; xchg ecx, edx; int 0x80; pop rbx; ret: a call of i386 from a 64-bit program.
I386 = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("5389f889f387d1cd805bc3"))
place = ctypes.addressof(ctypes.c_char.from_buffer(code))
call = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int] * 4)(place)
low = ctypes.CDLL(None).mmap
low.restype = ctypes.c_void_p
low.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
words = low(None, 4096, 3, 0x62, -1, 0)  # private, anonymous, below 2 GiB
(ctypes.c_int * 3).from_address(words)[:] = argv[1]
found = [call(*(words if item == "words" else item for item in items)) for items in argv[0]]
print(json.dumps([max(0, -item) for item in found]))
"""
# Calls that no program has needed for decades, or that a sandbox does not need, and two invalid names.
USELESS = frozenset(
    """
    _sysctl afs_syscall bdflush break create_module epoll_ctl_old epoll_wait_old fanotify_mark fstatat ftime getpmsg
    gtty idle listmount listns llseek lock lsm_get_self_attr lsm_list_modules lsm_set_self_attr mpx prof profil
    putpmsg security statmount stty sysfs tuxcall ulimit uprobe uretprobe uselib ustat vserver arch_specific_syscall
    syscalls file_getattr file_setattr rseq_slice_yield
    """.split()  # noqa: SIM905  # a list of names, read as one
)
only_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86-64")


def test_a_call_that_nobody_knows_does_not_exist(small_store: Store, small_tree: Tree) -> None:
    """open_tree_attr and others that are newer than the list, and numbers of no kernel: all are missing."""
    numbers = [457, 458, 467, 468, 469, 470, 500, 1000, 4095, 1 << 20, (1 << 30) - 1]
    found = run_python(small_store, small_tree, NATIVE, [[number, 0, 0, 0, 0, 0] for number in numbers])
    assert found == [ENOSYS] * len(numbers)


@only_x86
def test_x32_is_no_abi_of_a_sandbox(small_store: Store, small_tree: Tree) -> None:
    """Any call with its bit set, harmless ones included, ends the process that makes it."""
    program = """
import ctypes, os
libc = ctypes.CDLL(None)
found = []
for number in argv[0]:
    child = os.fork()
    if not child:
        libc.syscall(ctypes.c_long(number), *[ctypes.c_long(0)] * 5)
        os._exit(0)
    found.append(os.waitpid(child, 0)[1] & 127)
print(json.dumps(found))
"""
    numbers = [0x40000000 + number for number in (39, 165, 272, 428, 467, 500)]
    assert run_python(small_store, small_tree, program, numbers) == [signal.SIGSYS] * len(numbers)


@only_x86
def test_i386_has_no_other_rules(small_store: Store, small_tree: Tree) -> None:
    """mount, unshare, bpf, ptrace and unknown calls by their other numbers; no socket of any family by `socketcall`."""
    refused = [[21, 0, 0, 0], [310, 0x10000000, 0, 0], [357, 0, 0, 0], [26, 0, 0, 0], [428, 0, 0, 0], [346, 0, 0, 0]]
    sockets = [[102, 1, "words", 0], [102, 3, "words", 0], [359, 40, 1, 0], [359, 38, 5, 0]]
    unknown = [[467, 0, 0, 0], [500, 0, 0, 0], [9999, 0, 0, 0], [425, 0, 0, 0], [435, 0, 0, 0]]
    *found, own = run_python(small_store, small_tree, I386, [*refused, *sockets, *unknown, [20, 0, 0, 0]], [40, 1, 0])
    if own == ENOSYS:
        pytest.skip("this kernel has no calls of i386")
    assert set(found[:10]) <= {EPERM, ENOSYS}
    assert found[10:] == [ENOSYS] * 5


@only_x86
def test_arguments_are_read_as_the_kernel_reads_them(small_store: Store, small_tree: Tree) -> None:
    """High bits that the kernel ignores change nothing: for families of sockets, requests to terminals, namespaces."""
    high = 1 << 32
    local, vsock, algorithms, packets, anything = 1, 40, 38, 17, -1
    sockets = [[41, family, 1, 0, 0, 0] for family in (vsock, vsock | high, algorithms | high, packets, anything)]
    fine = [[41, local, 1, 0, 0, 0], [41, local | high, 1, 0, 0, 0]]
    requests = [[16, 0, request, 0, 0, 0] for request in (0x5412, 0x5412 | high, 0x541C, 0x541C | high)]
    namespaces = [[56, flag, 0, 0, 0, 0] for flag in (0x10000000, 0x10000000 | high, 0x00020000, 0x40000000 | 17)]
    found = run_python(small_store, small_tree, NATIVE, [*sockets, *fine, *requests, *namespaces])
    assert found == [*[ENOSYS] * 5, 0, 0, *[EPERM] * 8]


@pytest.mark.parametrize("values", [(5,), (0x5412, 0x541C), (1, 2, 10, 16), (0,), (0xFFFFFFFF, 0), tuple(range(64))])
def test_the_other_numbers_are_all_others(values: tuple[int, ...]) -> None:
    """Every number of 32 bits but the given ones fits exactly one of the patterns, and the given ones none."""
    patterns = seccomp.others(values)
    near = {value ^ (1 << bit) for value in values for bit in range(32)} | {value + 1 & 0xFFFFFFFF for value in values}
    for number in {*values, *near, 0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF}:
        fitting = sum(number & mask == value for value, mask in patterns)
        assert fitting == (number not in values), hex(number)
    assert sum(1 << (32 - mask.bit_count()) for _, mask in patterns) == (1 << 32) - len(set(values))


def test_every_call_of_this_machines_headers_has_been_thought_of() -> None:
    """It is allowed, refused with a reason, missing on purpose, or of no use to any program, and only one of these."""
    refused = [name for group in REFUSED.values() for name in group]
    some = {"clone", "ioctl", "socket"}
    kinds = [ALLOWED, set(refused), set(MISSING), some]
    assert sum(map(len, kinds)) == len(set().union(*kinds)) and len(refused) == len(set(refused))
    headers = [*Path("/usr/include").glob("*/asm/unistd*.h"), Path("/usr/include/asm-generic/unistd.h")]
    names = {
        name
        for header in headers
        if header.exists()
        for name in re.findall(r"#define __NR(?:3264)?_(\w+)\s", header.read_text())
    }
    assert names - set().union(*kinds) - USELESS == set()


def test_the_profile_names_the_other_abis_of_a_machine() -> None:
    """i386 and arm have programs; any other ABI is not named, and its programs are killed."""
    assert set(seccomp.profile("x86_64")["architectures"]) == {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}
    assert set(seccomp.profile("aarch64")["architectures"]) == {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}
    for machine in ("x86_64", "aarch64", "riscv64"):
        profile = seccomp.profile(machine)
        assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", ENOSYS)
