"""What a sandbox is asked to run, and what of this machine it may see; data only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Network = Literal["none", "private", "host"]


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host, as seen in the sandbox (`target` is absolute)."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: argv, environment, working directory, numeric user."""

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
