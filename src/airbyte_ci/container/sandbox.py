"""The sandbox: one command in a root file system, under runc on overlayfs, in namespaces of its own.

Knows processes and mounts, not images or recipes. Everything that is mounted or started lives in namespaces whose
first process dies with this one, even when this one is killed outright.
"""

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from airbyte_ci.container import lending, runtime
from airbyte_ci.container.command import Command, Mount, Network
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.store import Store

__all__ = ["Command", "Finished", "Mount", "Network", "missing_tools", "run"]

_OUTPUT_LIMIT = 64 << 20
_NEEDED = ("runc", "unshare", "setpriv", "mount")
_PACKAGES = {"unshare": "util-linux", "setpriv": "util-linux"}
# Runs in the new namespaces: mounts, says that it is ready, waits for the network, becomes runc.
_LAUNCHER = """
cd "$1" && mount -t overlay overlay -o "$2" "$3" || exit 125
echo ready > "/proc/self/fd/$4"
read -r _ < "/proc/self/fd/$5" || exit 125
cd "$6" && exec runc --root "$6/state" --log "$6/log" --log-format json run --bundle "$6" "$7"
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended, and the places where something was lent to it (paths relative to the root)."""

    returncode: int
    stdout: bytes
    stderr: bytes
    lent: frozenset[str] = field(default_factory=frozenset)


def missing_tools(network: Network) -> list[str]:
    """The programs that are needed and not installed."""
    needed = (*_NEEDED, "slirp4netns") if network == "private" else _NEEDED
    return [name for name in needed if shutil.which(name) is None]


def run(store: Store, root: Tree, command: Command, *, upper: Path | None = None) -> Finished:
    """Runs the command over the tree. What it changes stays in `upper`, or is thrown away.

    Raises SandboxError when the command could not be started or ran into its time limit; a non-zero exit
    code is the caller's to judge.
    """
    _require(command.network)
    with store.scratch() as bundle:
        for folder in ("upper", "work", "root", "state"):
            (bundle / folder).mkdir()
        upper = upper or bundle / "upper"
        _take_root(upper, root)
        finished = _run_in(store, bundle, root, command, upper)
        shutil.rmtree(bundle / "work", ignore_errors=True)
    return finished


def _take_root(upper: Path, root: Tree) -> None:
    """overlayfs shows the upper folder's owner and mode as those of `/`: they must be the image's."""
    if node := root.entry(""):
        os.chown(upper, node.status.st_uid, node.status.st_gid)
        upper.chmod(stat.S_IMODE(node.status.st_mode))


def _require(network: Network) -> None:
    if missing := missing_tools(network):
        raise SandboxError(
            f"running a command in an image: {', '.join(missing)} not found on this machine",
            advice=f"apt-get install {' '.join(sorted({_PACKAGES.get(name, name) for name in missing}))}",
        )
    if os.geteuid() != 0:
        raise SandboxError(
            "running a command in an image needs root here: mounts and namespaces are refused to this user",
            advice="run it again with sudo",
        )


def _run_in(store: Store, bundle: Path, root: Tree, command: Command, upper: Path) -> Finished:
    lent = lending.lend(bundle, command)
    environment = {**command.environment, **lent.variables}
    mounts = (*command.mounts, *lent.mounts)
    configuration = runtime.configuration(bundle / "root", command, environment, mounts)
    (bundle / "config.json").write_text(json.dumps(configuration))
    # Names are relative to the folder of snapshots: the kernel takes mount options of one page only, and the
    # store's own place may have a comma or a colon in it.
    *lowers, upper_name, work = (
        os.path.relpath(place, store.root / "snapshots") for place in (*root.layers, upper, bundle / "work")
    )
    # An image may bring device nodes; through them a command would have this machine's disks.
    options = f"nodev,lowerdir={':'.join(lowers)},upperdir={upper_name},workdir={work}"
    options += ",redirect_dir=off,metacopy=off,index=off"
    if len(options) > 4000:
        raise SandboxError(f"the image has too many layers ({len(root.layers)}) to be mounted")
    system = (str(mount["destination"]) for mount in runtime.SYSTEM_MOUNTS)
    targets = {target.strip("/") for target in (lending.FOLDER, *system, *(mount.target for mount in mounts))}
    new = frozenset(target for target in targets if root.resolve(target) is None)
    returncode, stdout, stderr = _launch(store, bundle, options, command)
    _raise_start_failure(bundle / "log", command, returncode)
    return Finished(returncode, stdout, stderr, new)


def _launch(store: Store, bundle: Path, options: str, command: Command) -> tuple[int, bytes, bytes]:
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    argv = [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *(["--net"] if command.network == "private" else []),
        *("--", "sh", "-c", _LAUNCHER, "sandbox"),
        *(str(store.root / "snapshots"), options, str(bundle / "root")),
        *(str(ready_write), str(go_read), str(bundle), bundle.name),
    ]
    with contextlib.ExitStack() as stack:
        stdout, stderr = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        keep = command.keep_output
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if command.stdin is not None else None,
            stdout=stdout if keep else None,
            stderr=stderr if keep else None,
            pass_fds=(ready_write, go_read),
        )
        stack.callback(_remove_control_groups, bundle.name)
        stack.callback(_end, process)
        os.close(ready_write)
        os.close(go_read)
        with os.fdopen(ready_read, "rb") as ready, os.fdopen(go_write, "wb", buffering=0) as go:
            mounted = ready.readline()
            if mounted and command.network == "private":
                stack.enter_context(lending.network(process.pid))
            with contextlib.suppress(BrokenPipeError):
                go.write(b"go\n")
        _wait(process, command)
        if not mounted:
            reason = _output(stderr).decode(errors="replace").strip() or f"exit code {process.returncode}"
            raise SandboxError(f"mounting an image to run {_shown(command)} in it: {reason}")
        return process.returncode, _output(stdout), _output(stderr)


def _wait(process: "subprocess.Popen[bytes]", command: Command) -> None:
    try:
        with contextlib.suppress(BrokenPipeError):
            process.communicate(command.stdin, timeout=command.timeout)
    except subprocess.TimeoutExpired as error:
        raise SandboxError(
            f"running {_shown(command)} in an image: not finished after {command.timeout:g} s, so it was killed"
        ) from error


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Killing the first process of the namespaces kills everything in them; then the mounts are gone.

    That process is unshare's child; unshare itself ends when all of them have.
    """
    if process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in [int(child) for child in children] or [process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    if process.stdin:
        process.stdin.close()


def _remove_control_groups(name: str) -> None:
    """runc makes control groups beside or below our own, and leaves them behind when it is killed."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        for hierarchy in ("unified", controllers.removeprefix("name=")):
            for place in (own, os.path.dirname(own)):  # noqa: PTH120  # a name in the kernel's tree of groups
                with contextlib.suppress(OSError):
                    Path("/sys/fs/cgroup", hierarchy, place.strip("/"), name).rmdir()


def _output(file: IO[bytes]) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _OUTPUT_LIMIT))
    return file.read()


def _raise_start_failure(log: Path, command: Command, returncode: int) -> None:
    if returncode == 0 or not log.exists():
        return
    for line in log.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if record.get("level") == "error":
                reason = str(record.get("msg", "")).rpartition("runc run failed: ")[2]
                raise SandboxError(f"running {_shown(command)} in an image: {reason}")


def _shown(command: Command) -> str:
    text = " ".join(command.arguments)
    return repr(text if len(text) <= 80 else text[:77] + "…")
