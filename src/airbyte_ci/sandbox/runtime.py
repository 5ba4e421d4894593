"""The OCI runtime configuration of a sandbox (runtime-spec, config.md): translates a command for runc."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_ci.rootfs import user_namespace
from airbyte_ci.rootfs.user_namespace import Table
from airbyte_ci.sandbox import control_groups, mounts, seccomp
from airbyte_ci.sandbox.command import Command, Mount
from airbyte_ci.sandbox.identities import Identities
from airbyte_ci.sandbox.staging import Staging

# The capabilities that package managers need to unpack files with owners and modes (part of Docker's set).
CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "SETUID",
        "SETGID",
        "SETFCAP",
        "SETPCAP",
        "KILL",
        "SYS_CHROOT",
        "NET_BIND_SERVICE",
    ]
)


@dataclass(frozen=True, slots=True)
class Confinement:
    """The features of this machine: the identities of the user namespace, and whether control groups are available."""

    users: Table = ()
    groups: Table = ()
    control_groups: bool = True

    @staticmethod
    def of(owners: Identities | None) -> "Confinement":
        """Returns a user namespace in which no capability works outside, with these identities or this namespace's."""
        grouped = not user_namespace.inside() and control_groups.refusal() is None
        tables = (owners.table, owners.table) if owners else user_namespace.same()
        return Confinement(*tables, control_groups=grouped)


def configuration(
    root: Path,
    command: Command,
    environment: Mapping[str, str],
    given: Sequence[Mount],
    confinement: Confinement,
    capabilities: Sequence[str] = CAPABILITIES,
    *,
    stage: Staging | None = None,
    system: Path | None = None,
    store: Path | None = None,
) -> dict[str, Any]:
    """The OCI runtime configuration (runtime-spec, config.md); raises SandboxError for a mount that shares too much.

    Sources of mounts are taken to the staging folder, if any. `system` is a sysfs that is mounted already. `store` is
    the root folder of the store that the sandbox belongs to; without one, nothing of this machine may be writable.
    """
    mounts.check(given, store)
    spaces = ["pid", "ipc", "uts", "mount"]
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in (*spaces, *(["user"] if confinement.users else []))],
        "maskedPaths": [
            *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"),
            *("/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"),
        ],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        "seccomp": seccomp.profile(),
    }
    if confinement.users:
        linux["uidMappings"], linux["gidMappings"] = map(_mappings, (confinement.users, confinement.groups))
    if confinement.control_groups:
        linux["resources"] = {
            "memory": {"limit": command.limits.memory_bytes},
            "pids": {"limit": command.limits.processes},
        }
    shown = [{**_SYSFS, "source": str(system)}] if system else []
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": command.terminal,
            "user": {"uid": command.uid, "gid": command.gid, "additionalGids": list(command.groups)},
            "args": list(command.arguments),
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": command.workdir or "/",
            "capabilities": {
                kind: list(capabilities) if command.uid == 0 or kind == "bounding" else []
                for kind in ("bounding", "effective", "permitted")
            },
            "noNewPrivileges": True,
            "rlimits": _resource_limits(command, confinement),
        },
        "root": {"path": str(root), "readonly": command.read_only},
        "hostname": "connector",
        "mounts": [*SYSTEM_MOUNTS, *shown, *(bind(mount, stage) for mount in given)],
        "linux": linux,
    }


def _resource_limits(command: Command, confinement: Confinement) -> list[dict[str, Any]]:
    limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": command.limits.file}
    if command.limits.address_space:
        limits["RLIMIT_AS"] = command.limits.address_space
    if not confinement.control_groups:
        # Per process and per user: the best limits without control groups.
        limits |= {"RLIMIT_DATA": command.limits.memory_bytes, "RLIMIT_NPROC": command.limits.processes}
    return [{"type": kind, "soft": limit, "hard": limit} for kind, limit in limits.items()]


def _mappings(table: Table) -> list[dict[str, int]]:
    return [{"containerID": inside, "hostID": outside, "size": length} for inside, outside, length in table]


SYSTEM_MOUNTS: tuple[dict[str, Any], ...] = (
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
        "destination": "/dev/pts",
        "type": "devpts",
        "source": "devpts",
        "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    {
        "destination": "/dev/shm",
        "type": "tmpfs",
        "source": "shm",
        "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    },
)


def bind(mount: Mount, staging: Staging | None) -> dict[str, Any]:
    """Returns a mount in runc's form; its source is moved to the staging folder, if there is one."""
    if mount.source is None:
        options = ["nosuid", "nodev", "mode=1777", *([f"size={mount.size}"] if mount.size else [])]
        return {"destination": mount.target, "type": "tmpfs", "source": "tmpfs", "options": options}
    # In a user namespace, a mount must keep the flags of its source.
    kept = os.statvfs(mount.source).f_flag
    flags = [name for name, flag in _FLAGS.items() if kept & flag and name not in ("nosuid", "nodev")]
    options = ["rbind", "nosuid", "nodev", "rw" if mount.writable else "ro", *flags]
    source = staging.take(mount.source, writable=mount.writable, public=mount.public) if staging else mount.source
    return {"destination": mount.target, "type": "none", "source": str(source), "options": options}


_SYSFS = {"destination": "/sys", "type": "none", "options": ["rbind", "ro", "nosuid", "noexec", "nodev"]}
# By name, because this module is also imported on systems without these flags, where no sandbox runs.
_FLAGS = {name: getattr(os, f"ST_{name.upper()}", 0) for name in ("noexec", "noatime", "nodiratime", "relatime")}
