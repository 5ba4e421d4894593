"""The sandbox: one command in a root file system, under runc on overlayfs, in namespaces of its own.

Knows mounts, networks and limits, not images or recipes.
"""

import contextlib
import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airbyte_ci.container import control_groups, launch, lending, mounts, network, packages, rootless, runtime, tree
from airbyte_ci.container.capture import Capture
from airbyte_ci.container.command import Command, Limits, Mount, Network, Purpose
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.store import Store

__all__ = ["Command", "Finished", "Limits", "Mount", "Network", "Purpose", "missing_tools", "run"]

_OUTPUT_LIMIT = 16 << 20
# overlayfs takes no more.
_LAYER_LIMIT = 500
_NEEDED = ("runc", "unshare", "setpriv", "mount", "ip")
# Runs in the new namespaces: mounts, says that it is ready, waits for the network, becomes runc's parent. sysfs comes
# from here: inside, root is not the network namespace's and may not mount one, and with the host's /sys would come its
# control groups. No IPv6 on the device to come: nothing is sent through it that nobody asked for. Since
# util-linux 2.39 `mount` gives the kernel options one by one, each of 256 bytes at most, unless told to use mount(2).
_LAUNCHER = """
cd "$1" && LIBMOUNT_FORCE_MOUNT2=always mount -t overlay overlay -o "$2" "$3" || exit 125
mount -t sysfs -o ro,nosuid,noexec,nodev sysfs "$6/sys" 2> /dev/null
echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 2> /dev/null
echo ready > "/proc/self/fd/$4"
read -r _ < "/proc/self/fd/$5" || exit 125
cd "$6"
ip -batch routes || exit 125
runc --rootless "$8" --root state --log log --log-format json run --bundle . "$7"
code=$?
cat /proc/self/net/dev > traffic
exit $code
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended, and the places where something was lent to it (paths relative to the root).

    Of output beyond 16 MiB the last part is kept, and `printed` tells how much there was, stdout and stderr.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    lent: frozenset[str] = field(default_factory=frozenset)
    used_network: bool = False
    printed: tuple[int, int] = (0, 0)

    @property
    def is_cut(self) -> bool:
        return self.printed > (len(self.stdout), len(self.stderr)) or self.printed[1] > len(self.stderr)


def missing_tools(kind: Network) -> list[str]:
    """The programs that are needed and not installed."""
    return [name for name in _tools(kind) if shutil.which(name) is None]


def _tools(kind: Network) -> tuple[str, ...]:
    return (*_NEEDED, "slirp4netns") if kind == "private" else _NEEDED


def run(store: Store, root: Tree, command: Command, *, upper: Path | None = None) -> Finished:
    """Runs the command over the tree. What it changes stays in `upper`, or is thrown away.

    Raises SandboxError when the command could not be started or ran into one of its limits; a non-zero exit
    code is the caller's to judge.
    """
    require(command.network)
    control_groups.sweep()
    with store.scratch() as bundle:
        for folder in ("upper", "work", "root", "state", "sys"):
            (bundle / folder).mkdir()
        upper = upper or bundle / "upper"
        mounts.check_upper(upper)
        _take_root(upper, root)
        stack = packages.lend(store, bundle, root) if command.packages else root
        try:
            finished = _run_in(store, bundle, stack, command, upper) or _run_in(store, bundle, stack, command, upper)
            assert finished is not None
        finally:
            if command.packages:
                packages.gather(store, upper)
        shutil.rmtree(bundle / "work", ignore_errors=True)
    return finished


def _take_root(upper: Path, root: Tree) -> None:
    """overlayfs shows the upper folder's owner and mode as those of `/`: they must be the image's."""
    if node := root.entry(""):
        os.chown(upper, node.status.st_uid, node.status.st_gid)
        upper.chmod(stat.S_IMODE(node.status.st_mode))


def require(kind: Network) -> None:
    """Raises SandboxError, with what mends it, where a command cannot be run on this machine."""
    launch.require(_tools(kind), "running a command in an image")
    if os.geteuid() != 0:
        raise rootless.obstacle() or SandboxError(
            "running a command in an image needs root, or root of a user namespace", advice="run it again with sudo"
        )


def _run_in(store: Store, bundle: Path, root: Tree, command: Command, upper: Path) -> Finished | None:
    """None where runc found out that there are no control groups, so that the command has to do without."""
    lent = lending.lend(bundle, command)
    environment = {**command.environment, **lent.variables, **(packages.VARIABLES if command.packages else {})}
    given = (*command.mounts, *lent.mounts)
    confinement = runtime.Confinement.here()
    system = bundle / "sys" if command.network != "host" or confinement.control_groups else None
    configuration = runtime.configuration(
        bundle / "root", command, environment, given, confinement, system=system, store=store.root
    )
    (bundle / "config.json").write_text(json.dumps(configuration))
    private = command.network == "private"
    # Only a proxy of this machine's own environment is reached: a command's variables are whatever its hook says.
    (bundle / "routes").write_text(network.here(lent.variables) if private else "link set lo up\n")
    if len(root.layers) > _LAYER_LIMIT:
        raise SandboxError(f"the image has too many layers ({len(root.layers)}) to be mounted")
    lowers = _named(bundle / "places", [*root.layers, upper, bundle / "work"])
    # An image may bring device nodes; through them a command would have this machine's disks.
    options = f"nodev,lowerdir={':'.join(lowers[:-2])},upperdir={lowers[-2]},workdir={lowers[-1]}"
    options += tree.mount_options()
    system_places = (str(mount["destination"]) for mount in runtime.SYSTEM_MOUNTS)
    places = (lending.FOLDER, "sys", *system_places, *(mount.target for mount in given))
    new = frozenset(target for place in places if root.resolve(target := place.strip("/")) is None)
    return _launch(store, bundle, options, command, new | {lending.FOLDER})


def _named(folder: Path, places: Sequence[Path]) -> list[str]:
    """Short names for places, in a folder of links: mount options have one page, and no comma nor colon in a name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, place in enumerate(places):
        (folder / str(number)).symlink_to(place.absolute())
    return [str(number) for number in range(len(places))]


def _launch(store: Store, bundle: Path, options: str, command: Command, lent: frozenset[str]) -> Finished | None:
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    name = control_groups.new_name()
    argv = [
        *launch.namespaces(*(["--net"] if command.network != "host" else [])),
        *("sh", "-c", _LAUNCHER, "sandbox"),
        *(str(bundle / "places"), options, str(bundle / "root")),
        *(str(ready_write), str(go_read), str(bundle), name, launch.rootless()),
    ]
    keep = command.keep_output
    with contextlib.ExitStack() as stack:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if command.stdin is not None else None,
            stdout=subprocess.PIPE if keep else None,
            stderr=subprocess.PIPE if keep else None,
            pass_fds=(ready_write, go_read),
        )
        stack.callback(control_groups.remove, name)
        stack.callback(launch.end, process)
        os.close(ready_write)
        os.close(go_read)
        heard = ((process.stdout, command.heard), (process.stderr, None))
        outputs = [Capture(pipe, _OUTPUT_LIMIT, listener) for pipe, listener in heard if pipe]
        with os.fdopen(ready_read, "rb") as ready, os.fdopen(go_write, "wb", buffering=0) as go:
            mounted = ready.readline()
            if mounted and command.network == "private":
                stack.enter_context(network.attach(process.pid))
            with contextlib.suppress(BrokenPipeError):
                go.write(b"go\n")
        if process.stdin and command.stdin is not None:
            launch.feed(process.stdin, command.stdin)
        _watch(process, store, command)
        for output in outputs:
            output.wait()
        stdout, stderr = (output.tail for output in outputs) if keep else (b"", b"")
        if not mounted:
            reason = stderr.decode(errors="replace").strip() or f"exit code {process.returncode}"
            raise SandboxError(f"mounting an image to run {_shown(command)} in it: {reason}")
    if process.returncode and (why := launch.start_failure(bundle / "log")):
        if control_groups.refused(why):
            (bundle / "log").unlink()
            return None
        raise SandboxError(f"running {_shown(command)} in an image: {why}")
    traffic = bundle / "traffic"
    used = command.network == "host" or (traffic.exists() and network.used(traffic.read_text()))
    printed = (outputs[0].size, outputs[1].size) if keep else (0, 0)
    return Finished(process.returncode, stdout, stderr, lent, used, printed)


def _watch(process: "subprocess.Popen[bytes]", store: Store, command: Command) -> None:
    deadline = None if command.timeout is None else time.monotonic() + command.timeout

    def broken() -> str | None:
        if shutil.disk_usage(store.root).free >= command.limits.disk:
            return None
        return f"running {_shown(command)} in an image: it filled the disk of the store, so it was killed"

    try:
        launch.watch(process, deadline, broken)
    except TimeoutError as error:
        raise SandboxError(
            f"running {_shown(command)} in an image: not finished after {command.timeout:g} s, so it was killed"
        ) from error


def _shown(command: Command) -> str:
    text = " ".join(command.arguments)
    return repr(text if len(text) <= 80 else text[:77] + "…")
