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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from airbyte_ci import disk
from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import (
    control_groups,
    kernel,
    launch,
    lending,
    mounts,
    network,
    packages,
    rootless,
    runner,
    runtime,
    staging,
)
from airbyte_ci.sandbox.capture import Capture
from airbyte_ci.sandbox.command import SERVICE_PORT, Command, Limits, Mount, Network, Purpose
from airbyte_ci.sandbox.identities import Identities
from airbyte_ci.sandbox.staging import Staging

__all__ = ["Command", "Finished", "Limits", "Mount", "Network", "Purpose", "missing_tools", "run"]

_OUTPUT_LIMIT = 16 << 20
# For a stopped command: the number of output lines to show, and the seconds to wait for them.
_LAST_LINES = 12
_DRAIN = 1.0
# The limit of overlayfs.
_LAYER_LIMIT = 500
_NEEDED_FOR_NETWORK = ("slirp4netns", "nsenter")
# Runs in the new namespaces, between the network's coming and runc's end. sysfs comes from here: inside, root is not
# the network namespace's and may not mount one, and with the host's /sys would come its control groups. No IPv6 on the
# device to come: nothing is sent through it without a request.
_LAUNCHER = f"""
echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 2> /dev/null
{launch.WAIT}
mount -t sysfs -o ro,nosuid,noexec,nodev sysfs "$1" 2> /dev/null
cd "$2" && ip -batch routes || exit 125
runc --rootless "$4" --root state --log log --log-format json run --bundle . "$3"
code=$?
cat /proc/self/net/dev > traffic
exit $code
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended, and the places of its mounts (paths relative to the root).

    Of output beyond 16 MiB the last part is kept; `printed` is the full size of stdout and stderr.
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
    """Returns the required programs that are not installed."""
    return [name for name in _tools(kind) if shutil.which(name) is None]


def _tools(kind: Network) -> tuple[str, ...]:
    return (*runner.TOOLS, *_NEEDED_FOR_NETWORK) if kind == "private" else runner.TOOLS


def run(store: Store, root: Tree, command: Command, *, upper: Path | None = None) -> Finished:
    """Runs the command over the tree. Its changes stay in `upper`, or are discarded.

    Raises SandboxError if the command cannot start or exceeds a limit; the caller judges a non-zero exit code.
    """
    require(command.network)
    control_groups.sweep()
    with store.scratch() as bundle:
        for folder in ("upper", "state"):
            (bundle / folder).mkdir()
        upper = upper or bundle / "upper"
        mounts.check_upper(upper)
        _take_root(upper, root)
        stack = packages.lend(store, bundle, root) if command.packages else root
        try:
            finished = _run_in(store, bundle, root=stack, command=command, upper=upper) or _run_in(
                store, bundle, root=stack, command=command, upper=upper
            )
            assert finished is not None
        finally:
            if command.packages:
                packages.gather(store, upper)
    return finished


def _take_root(upper: Path, root: Tree) -> None:
    """Gives the upper folder the image's owner and mode, because overlayfs shows them as those of `/`."""
    if node := root.entry(""):
        os.chown(upper, node.status.st_uid, node.status.st_gid)
        upper.chmod(stat.S_IMODE(node.status.st_mode))


def require(kind: Network) -> None:
    """Raises SandboxError, with a fix, if this machine cannot run commands."""
    launch.require(_tools(kind), "cannot run a command in an image")
    if os.geteuid() != 0:
        raise rootless.obstacle() or SandboxError(
            "running a command in an image requires root, or root of a user namespace",
            advice="run airbyte-ci again with sudo",
            error_id="sandbox-unavailable",
        )


def _run_in(store: Store, bundle: Path, root: Tree, command: Command, upper: Path) -> Finished | None:
    """Returns None if runc found no control groups, so that the command runs again without them."""
    if len(root.layers) > _LAYER_LIMIT:
        raise SandboxError(f"the image has too many layers ({len(root.layers)}) to be mounted")
    lent = lending.lend(bundle, command)
    environment = {**command.environment, **lent.variables, **(packages.VARIABLES if command.packages else {})}
    given = (*command.mounts, *lent.mounts)
    # Only a proxy of this machine's own environment is reachable: a hook can set a command's variables.
    (bundle / "routes").write_text(network.here(lent.variables) if command.network == "private" else "link set lo up\n")
    system_places = (str(mount["destination"]) for mount in runtime.SYSTEM_MOUNTS)
    places = (lending.FOLDER, "sys", *system_places, *(mount.target for mount in given))
    new = frozenset(target for place in places if root.resolve(target := place.strip("/")) is None)
    work = upper.with_name(f"{upper.name}.work")
    with contextlib.ExitStack() as stack:
        owners = stack.enter_context(staging.borrow_identities(bundle))
        stage = stack.enter_context(Staging(owners, bundle))
        confinement = runtime.Confinement.of(owners)
        system = stage.system if command.network != "host" or confinement.control_groups else None
        configuration = runtime.configuration(
            stage.root,
            command,
            environment=environment,
            given=given,
            confinement=confinement,
            stage=stage,
            system=system,
            store=store.root,
        )
        (bundle / "config.json").write_text(json.dumps(configuration))
        work.mkdir()
        stack.callback(disk.remove_tree, work)
        launch_ = _Launch(
            store=store,
            bundle=bundle,
            command=command,
            owners=owners,
            system=stage.system,
            attach=lambda pid: stage.attach_overlay(pid, root.layers, upper, work),
            proxies=lent.variables,
            lent=new | {lending.FOLDER},
        )
        return _start(launch_)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Launch:
    """A command that is ready to start; `attach` mounts its root where its process sees it."""

    store: Store
    bundle: Path
    command: Command
    owners: Identities | None
    system: Path
    attach: Callable[[int], None]
    proxies: Mapping[str, str]
    lent: frozenset[str]


def _start(ready: _Launch) -> Finished | None:
    command, bundle = ready.command, ready.bundle
    name = control_groups.new_name()
    keep = command.keep_output
    relay = not keep and not command.terminal
    with contextlib.ExitStack() as stack:
        gate = launch.Gate()
        stack.callback(gate.close)
        process = subprocess.Popen(
            [
                *launch.namespaces(*(["--net"] if command.network != "host" else [])),
                *("sh", "-c", _LAUNCHER, "sandbox", *gate.arguments),
                *(str(ready.system), str(bundle), name, launch.rootless()),
            ],
            stdin=subprocess.PIPE if command.stdin is not None else None,
            stdout=subprocess.PIPE if keep or relay else None,
            stderr=subprocess.PIPE if keep or relay else None,
            pass_fds=gate.descriptors,
        )
        stack.callback(control_groups.remove, name)
        stack.callback(launch.end, process)
        _own_pipes(process, ready)
        if process.stdin and command.stdin is not None:
            launch.feed(process.stdin, command.stdin)
        heard = (
            ((process.stdout, command.heard), (process.stderr, None))
            if keep
            else ((process.stdout, partial(_pass_on, 1)), (process.stderr, partial(_pass_on, 2)))
        )
        outputs = [Capture(pipe, _OUTPUT_LIMIT, listener) for pipe, listener in heard if pipe]
        if mounted := gate.wait():
            try:
                ready.attach(process.pid)
            except OSError as error:
                raise SandboxError(f"cannot mount the image to run {_shown(command)}: {error.strerror}") from error
            if command.network == "private":
                stack.enter_context(network.attach(process.pid, ready.proxies))
            if command.service and command.network == "none":
                listener = kernel.listen_in_network_of(process.pid, SERVICE_PORT)
                stack.enter_context(command.service(listener))
            gate.open()
        try:
            _watch(process, ready.store, command)
        except SandboxError as error:
            raise SandboxError(error.message, advice=error.advice, details=_last_lines(outputs)) from error
        except KeyboardInterrupt as stop:
            for line in _last_lines(outputs):
                stop.add_note(line)
            raise
        for output in outputs:
            output.wait()
        stdout, stderr = (output.tail for output in outputs) if keep else (b"", b"")
        if not mounted:
            reason = stderr.decode(errors="replace").strip() or f"exit code {process.returncode}"
            raise SandboxError(
                f"cannot start a sandbox to run {_shown(command)}: {reason}", error_id="sandbox-unavailable"
            )
    if process.returncode and (why := launch.start_failure(bundle / "log")):
        if control_groups.refused(why):
            (bundle / "log").unlink()
            return None
        raise SandboxError(f"command {_shown(command)} failed: {why}")
    traffic = bundle / "traffic"
    used = command.network == "host" or (traffic.exists() and network.used(traffic.read_text()))
    printed = (outputs[0].size, outputs[1].size) if keep else (0, 0)
    return Finished(
        returncode=process.returncode, stdout=stdout, stderr=stderr, lent=ready.lent, used_network=used, printed=printed
    )


def _last_lines(outputs: Sequence[Capture]) -> tuple[str, ...]:
    """Returns the last output of a stopped command, from stderr if it printed there."""
    for output in reversed(outputs):
        output.wait(_DRAIN)
        if lines := output.tail.decode(errors="replace").strip().splitlines():
            return tuple(lines[-_LAST_LINES:])
    return ()


def _own_pipes(process: "subprocess.Popen[bytes]", ready: _Launch) -> None:
    """Gives the pipes to the command's user, who can then open them by name: /dev/stdout."""
    if ready.owners:
        user, group = map(ready.owners.outside, (ready.command.uid, ready.command.gid))
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                os.fchown(pipe.fileno(), user, group)


def _pass_on(descriptor: int, data: bytes) -> None:
    """Writes a command's output to this process's output: the command does not get the terminal itself."""
    while data:
        data = data[os.write(descriptor, data) :]


def _watch(process: "subprocess.Popen[bytes]", store: Store, command: Command) -> None:
    deadline = None if command.timeout is None else time.monotonic() + command.timeout

    def broken() -> str | None:
        if shutil.disk_usage(store.root).free >= command.limits.disk:
            return None
        return f"command {_shown(command)} failed: killed because it filled the disk of the store"

    try:
        launch.watch(process, deadline, broken)
    except TimeoutError as error:
        raise SandboxError(
            f"command {_shown(command)} failed: killed because it did not finish in {command.timeout:g} s"
        ) from error


def _shown(command: Command) -> str:
    text = " ".join(command.arguments)
    return repr(text if len(text) <= 80 else text[:77] + "…")
