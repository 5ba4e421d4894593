"""Where commands in images run: on this machine with runc, or in a Linux container of a docker-compatible program.

The choice belongs to a machine, so an environment variable makes it, not a repository's configuration.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from airbyte_ci.errors import SandboxError, UsageError
from airbyte_ci.records import dataclass

VARIABLE = "AIRBYTE_CI_RUNNER"
# Set in the container: the program that runs it, and why.
INSIDE = "_AIRBYTE_CI_RUNNER_INSIDE"
NATIVE = "native"
# The programs that are tried, in this order.
PROGRAMS = ("docker", "podman", "nerdctl")
# What each command in an image needs.
TOOLS = ("runc", "unshare", "setpriv", "mount", "ip")
_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Runner:
    """The chosen runner: `program` is None for runc on this machine, `why` continues the sentence for people."""

    program: str | None
    why: str

    def __str__(self) -> str:
        return f"{self.program or 'runc'}, {self.why}"


def choose(environment: Mapping[str, str]) -> Runner:
    """Returns the runner of this machine: runc where it works, else the first program whose daemon responds.

    Raises UsageError for an unknown name, SandboxError if nothing can run commands here.
    """
    if inside := environment.get(INSIDE):
        return Runner(None, inside)
    wanted = environment.get(VARIABLE) or "auto"
    why = obstacle()
    if wanted == NATIVE and not _is_linux():
        raise SandboxError(
            f"{VARIABLE}=native does not work: {why}", advice=f"unset {VARIABLE}", error_id="sandbox-unavailable"
        )
    if wanted == NATIVE:
        return Runner(None, f"because {VARIABLE} is native")
    if wanted in PROGRAMS:
        if not _is_on_path(wanted):
            raise SandboxError(
                f"{VARIABLE} is {wanted}, which is not on the PATH",
                advice=f"unset {VARIABLE}",
                error_id="sandbox-unavailable",
            )
        return Runner(wanted, f"because {VARIABLE} is {wanted}")
    if wanted != "auto":
        raise UsageError(f"{VARIABLE} is {wanted!r}, but must be one of auto, {NATIVE}, {', '.join(PROGRAMS)}")
    if not why:
        return Runner(None, "on this machine")
    for program in PROGRAMS:
        if _is_on_path(program) and _responds(program):
            return Runner(program, f"because {why}")
    if _is_linux():
        return Runner(None, f"but {why}, and none of {', '.join(PROGRAMS)} responds")
    raise SandboxError(
        f"cannot run commands in images: {why}, and none of {', '.join(PROGRAMS)} responds",
        advice="install and start Docker Desktop, colima or Podman, and run airbyte-ci again",
        error_id="sandbox-unavailable",
    )


def obstacle() -> str:
    """Returns why runc cannot run here; empty if nothing speaks against it. Starts no program."""
    if not _is_linux():
        return f"runc needs Linux, and this machine has {_system()}"
    if missing := [name for name in TOOLS if not _is_on_path(name)]:
        return f"{', '.join(missing)} not found on this machine"
    if os.geteuid() != 0:
        from airbyte_ci.sandbox import rootless  # root does not need it

        if found := rootless.obstacle():
            return found.message
    return ""


def _is_on_path(program: str) -> bool:
    """As `shutil.which`, whose module is slow to import for every command."""
    return any(os.access(Path(folder, program), os.X_OK) for folder in os.get_exec_path())


def _is_linux() -> bool:
    return sys.platform == "linux"


def _system() -> str:
    return {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, sys.platform)


def _responds(program: str) -> bool:
    """Whether the program reaches its daemon, or needs none."""
    import subprocess  # slow to import

    try:
        done = subprocess.run([program, "info"], capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
