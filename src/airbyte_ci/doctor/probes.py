"""Tests what this machine can do for sandboxes: namespaces, overlay, runc, network, hooks.

A probe raises no error: it reports success, or the reason for a failure and its fix.
"""

import ipaddress
import os
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.dagger import Question, SetLabel
from airbyte_ci.errors import AirbyteCiError, SandboxError
from airbyte_ci.hooks import conversation
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs import user_namespace
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import control_groups, network, sandbox
from airbyte_ci.sandbox.sandbox import Command, Finished

WAY_OUT = "network access of the sandbox"
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The result of a probe: its name, whether it works, the finding, and the fix. `seconds` is the duration.

    `error_id` is that of the error that was found, or empty.

    `works` is None if this machine cannot tell.
    """

    name: str
    works: bool | None
    detail: str
    advice: str | None = None
    seconds: float = 0.0
    error_id: str = ""


class _UntriedError(Exception):
    """Nothing can be said, for the reason in the message."""


def all_of(store: Store, tree: Tree | None, outside: tuple[str, int] | None) -> tuple[Probe, ...]:
    """Runs all probes; those that need a root file system use `tree`, and are skipped without one.

    `outside` is a host and port that commands with network should reach; with None, no outside host is contacted.
    """
    tried = [_tried("tools", _tools), _tried("hook modules", _hook)]
    if tree is not None:
        tried.append(_tried("sandbox (overlay, runc, namespaces, limits)", lambda: _command(store, tree)))
        tried.append(_tried("network of the sandbox", lambda: _network(store, tree)))
        if outside:
            tried.append(_tried(WAY_OUT, lambda: _way_out(store, tree, *outside)))
    # Last, because creating sandboxes shows whether control groups exist.
    return (*tried, _tried("identities and limits", _identities))


def _tried(name: str, probe: Callable[[], str]) -> Probe:
    started = time.monotonic()
    try:
        detail = probe()
    except AirbyteCiError as error:
        return Probe(
            name=name,
            works=False,
            detail=error.message,
            advice=error.advice,
            seconds=time.monotonic() - started,
            error_id=error.error_id,
        )
    except _UntriedError as error:
        return Probe(name=name, works=None, detail=str(error), seconds=time.monotonic() - started)
    except Exception as error:  # noqa: BLE001  # whatever one probe meets, the others are still worth their answers
        return Probe(name=name, works=False, detail=explain(error), seconds=time.monotonic() - started)
    return Probe(name=name, works=True, detail=detail, seconds=time.monotonic() - started)


def explain(error: Exception) -> str:
    """Returns an unexpected error as a reason: its kind and its file."""
    if isinstance(error, AirbyteCiError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
    return f"{type(error).__name__}: {error}"


def _tools() -> str:
    sandbox.require("private")
    return "runc, slirp4netns, ip, unshare, setpriv, mount"


def _identities() -> str:
    if os.geteuid() != 0:
        return "an ordinary user: commands run in a user namespace with subordinate ids"
    limits = "limits per process only, no control groups"
    if user_namespace.inside():
        many = sum(length for *_, length in user_namespace.same()[0])
        kind = f"root of a user namespace, {many} identities" if many else "no user namespaces below this one"
    else:
        kind = "root"
        limits = "control groups" if control_groups.refusal() is None else limits
    if why := control_groups.refusal():
        limits += f" ({why})"
    return f"{kind}, {limits}"


def _hook() -> str:
    with tempfile.TemporaryDirectory(prefix="airbyte-ci-probe-") as folder:
        module = Path(folder) / conversation.MODULE
        module.write_text("async def pre_connector_install(c):\n    return c.with_label('it', 'works')\n")
        with conversation.Conversation(module=module, passed={}, timeout=30) as talk:
            record = talk.call("pre_connector_install", _nothing)
    return "a module ran in a root of its own" if record.operations == (SetLabel("it", "works"),) else "odd operations"


def _nothing(question: Question) -> object:
    raise AssertionError(f"nobody asked for {question}")


def _run(store: Store, tree: Tree, line: str, kind: sandbox.Network, shell: str = "sh") -> Finished:
    command = Command(
        arguments=(f"/bin/{shell}", "-c", line), environment={"PATH": "/usr/bin:/bin"}, network=kind, timeout=60
    )
    finished = sandbox.run(store, tree, command)
    if finished.returncode:
        said = finished.stderr.decode(errors="replace").strip()
        raise SandboxError(f"a command in a sandbox ended with exit code {finished.returncode}: {said}")
    return finished


def _command(store: Store, tree: Tree) -> str:
    started = time.monotonic()
    _run(store, tree, "echo x > /x && [ ! -w /proc/sys/kernel/hostname -o ! -e /sys/fs/cgroup/x ]", "none")
    return f"a command ran in {(time.monotonic() - started) * 1000:.0f} ms"


def _network(store: Store, tree: Tree, kind: sandbox.Network = "private") -> str:
    """Checks that a sandbox with network cannot reach a service of this machine, on which this process listens."""
    own = network.own_addresses(Path("/proc/net/fib_trie").read_text())
    with socket.create_server(("", 0)) as listening:
        listening.settimeout(1)
        port = listening.getsockname()[1]
        tried = [f"{address}/{port}" for address in ("127.0.0.1", network.GATEWAY, *own)]
        line = "".join(f"(exec 3<>/dev/tcp/{place}) 2> /dev/null && echo {place};" for place in tried)
        found = _run(store, tree, f"cat /etc/resolv.conf > /dev/null; {line} true", kind, "bash").stdout.decode()
        # A missing connection must have been blocked, not lost.
        with socket.create_connection(("127.0.0.1", port), 1) as ours, listening.accept()[0] as first:
            if found or first.getpeername() != ours.getsockname():
                raise SandboxError(f"a command in a sandbox reached this machine at {', '.join(found.split()) or port}")
    return (
        f"private; commands cannot reach services of this machine at {', '.join(item.split('/')[0] for item in tried)}"
    )


def _way_out(store: Store, tree: Tree, host: str, port: int) -> str:
    """Checks that a sandbox reaches a host, by name, that this machine reaches."""
    try:
        with socket.create_connection((host, port), _PATIENCE) as connection:
            address = str(connection.getpeername()[0])
    except OSError as error:
        raise _UntriedError(f"not checked: this machine cannot reach {host}:{port} ({error})") from error
    if ipaddress.ip_address(address).is_loopback:
        raise SandboxError(
            f"{host}:{port} is on this machine's loopback, which commands cannot reach",
            advice=f"ss -tlnp 'sport = :{port}' (and make it listen on an external address of this machine)",
        )
    for place in (host, address):
        line = f"(exec 3<>/dev/tcp/{place}/{port}) && echo reached || true"
        if _run(store, tree, line, "private", "bash").stdout == b"reached\n":
            if place == host:
                return f"{host}:{port} was reached from a sandbox"
            raise SandboxError(
                f"{host} is not resolved in a sandbox, but is reachable at {address}", advice="cat /etc/resolv.conf"
            )
    raise SandboxError(
        f"{host}:{port} is reachable from this machine, but not from a sandbox", advice="slirp4netns --version"
    )
