"""A command for the sandbox, and the parts of this machine that it may see and use; data only."""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Network = Literal["none", "private", "host"]
# `input`: read-only. `output`: a new, empty folder that one run may write. `kept`: a folder that outlives the run and
# that the same connector's commands may write. `lent`: a mount of the user, read-only or writable.
Access = Literal["input", "output", "kept", "lent"]


@dataclass(frozen=True, slots=True)
class Purpose:
    """The reason for a mount in sandboxes: one row of the table of mounts in ARCHITECTURE.md.

    `source` and `target` describe places; `written_by` names everybody who may have written the source before.
    """

    name: str
    access: Access
    source: str
    target: str
    written_by: str


LENT = Purpose(
    "mount of the user",
    "lent",
    source="paths of `run --mount` and its file options",
    target="the named path",
    written_by="the user",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder or file of the host, as seen in the sandbox (`target` is absolute).

    Without a source, the mount is an empty folder in memory, of at most `size` bytes if that is not 0. In a `public`
    mount, a command sees what every user of the host sees; in others, the sandbox's root has root's rights over files.
    """

    source: Path | None
    target: str
    writable: bool = False
    size: int = 0
    purpose: Purpose = LENT
    public: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """The resources that a command may use, in bytes except `processes`.

    `memory` is for all its processes, 0 for three quarters of the machine's; `address_space` is for each process, 0 for
    no limit. `disk` must stay free on the store's disk; a command that uses it up is killed.
    """

    processes: int = 4096
    memory: int = 0
    address_space: int = 0
    file: int = 32 << 30
    disk: int = 256 << 20

    @property
    def memory_bytes(self) -> int:
        return self.memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4


Service = Callable[[socket.socket], AbstractContextManager[None]]
SERVICE_PORT = 3128


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to run: argv, environment, working directory, numeric user.

    A `service` answers in this process the connections to port SERVICE_PORT of the command's own loopback; it is for
    commands without a network, which reach nothing else. It receives the listening socket, and closes it at its end.
    With `packages`, package managers find earlier downloads and add to them. `heard` receives all of stdout while the
    command prints it; it must not raise.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    workdir: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    network: Network = "none"
    mounts: tuple[Mount, ...] = ()
    terminal: bool = False
    timeout: float | None = None
    keep_output: bool = True
    stdin: bytes | None = b""
    limits: Limits = Limits()
    packages: bool = False
    read_only: bool = False
    heard: Callable[[bytes], None] | None = None
    service: Service | None = None
