"""The OCI runtime configuration of a sandbox (runtime-spec, config.md): a command → what runc is told."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airbyte_ci.container.command import Command, Mount

# What package managers need to unpack files with owners and modes, and nothing more (Docker's set less a few).
_CAPABILITIES = [
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
]


def configuration(
    root: Path, command: Command, environment: Mapping[str, str], mounts: Sequence[Mount]
) -> dict[str, Any]:
    """The OCI runtime configuration (runtime-spec, config.md)."""
    namespaces = ["pid", "ipc", "uts", "mount", *(["network"] if command.network == "none" else [])]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": command.terminal,
            "user": {"uid": command.uid, "gid": command.gid, "additionalGids": list(command.groups)},
            "args": list(command.arguments),
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": command.workdir or "/",
            "capabilities": {
                kind: _CAPABILITIES if command.uid == 0 or kind == "bounding" else []
                for kind in ("bounding", "effective", "permitted")
            },
            "noNewPrivileges": True,
        },
        "root": {"path": str(root)},
        "hostname": "connector",
        "mounts": [*SYSTEM_MOUNTS, *map(_bind, mounts)],
        "linux": {
            "namespaces": [{"type": kind} for kind in namespaces],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


SYSTEM_MOUNTS: tuple[dict[str, Any], ...] = (
    {"destination": "/proc", "type": "proc", "source": "proc"},
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
    # A new one: with the host's /sys would come its control groups, and those below a read-only bind stay writable.
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
)


def _bind(mount: Mount) -> dict[str, Any]:
    options = ["rbind", "rw" if mount.writable else "ro"]
    return {"destination": mount.target, "type": "none", "source": str(mount.source), "options": options}
