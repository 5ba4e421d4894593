"""What this machine can do for sandboxes, each thing tried for real: namespaces, overlay, runc, network, hooks.

A probe raises nothing: it says that something works, or why not and what mends it.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.container import control_groups, hooks, network, runtime, sandbox, user_namespace
from airbyte_ci.container.api import Question, SetLabel
from airbyte_ci.container.sandbox import Command, Finished
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import AirbyteCiError, SandboxError
from airbyte_ci.oci.store import Store


@dataclass(frozen=True, slots=True)
class Probe:
    """What was tried, whether it works, what was seen, and what mends it. `seconds` is how long it took."""

    name: str
    works: bool
    detail: str
    advice: str | None = None
    seconds: float = 0.0


def all_of(store: Store, tree: Tree | None) -> tuple[Probe, ...]:
    """Tries everything; what needs a root file system runs in `tree`, and is passed over without one."""
    tried = [_tried("tools", _tools), _tried("hook modules", _hook)]
    if tree is not None:
        tried.append(_tried("sandbox (overlay, runc, namespaces, limits)", lambda: _command(store, tree)))
        tried.append(_tried("network of the sandbox", lambda: _network(store, tree)))
    # Last: whether there are control groups shows when they are made.
    return (*tried, _tried("identities and limits", _identities))


def _tried(name: str, probe: Callable[[], str]) -> Probe:
    started = time.monotonic()
    try:
        detail = probe()
    except AirbyteCiError as error:
        return Probe(name, False, error.message, error.advice, time.monotonic() - started)
    return Probe(name, True, detail, None, time.monotonic() - started)


def _tools() -> str:
    sandbox.require("private")
    return "runc, slirp4netns, ip, unshare, setpriv, mount"


def _identities() -> str:
    confinement = runtime.Confinement.here()
    many = sum(length for *_, length in confinement.users)
    if os.geteuid() != 0:
        return "an ordinary user: commands run in a user namespace with subordinate ids"
    kind = "root of a user namespace" if user_namespace.inside() else "root"
    limits = "control groups" if confinement.control_groups else "limits per process only, no control groups"
    if why := control_groups.refusal():
        limits += f" ({why})"
    identities = f"{many} identities" if many else "no user namespaces: commands are root of this machine"
    return f"{kind}, {identities}, {limits}"


def _hook() -> str:
    with tempfile.TemporaryDirectory(prefix="airbyte-ci-probe-") as folder:
        module = Path(folder) / hooks.MODULE
        module.write_text("async def pre_connector_install(c):\n    return c.with_label('it', 'works')\n")
        with hooks.Conversation(module, {}, timeout=30) as talk:
            record = talk.call("pre_connector_install", _nothing)
    return "a module ran in a root of its own" if record.operations == (SetLabel("it", "works"),) else "odd operations"


def _nothing(question: Question) -> object:
    raise AssertionError(f"nobody asked for {question}")


def _run(store: Store, tree: Tree, line: str, kind: sandbox.Network) -> Finished:
    command = Command(("/bin/sh", "-c", line), {"PATH": "/usr/bin:/bin"}, network=kind, timeout=60)
    finished = sandbox.run(store, tree, command)
    if finished.returncode:
        said = finished.stderr.decode(errors="replace").strip()
        raise SandboxError(f"a command in a sandbox ended with exit code {finished.returncode}: {said}")
    return finished


def _command(store: Store, tree: Tree) -> str:
    started = time.monotonic()
    _run(store, tree, "echo x > /x && [ ! -w /proc/sys/kernel/hostname -o ! -e /sys/fs/cgroup/x ]", "none")
    return f"a command ran in {(time.monotonic() - started) * 1000:.0f} ms"


def _network(store: Store, tree: Tree) -> str:
    _run(store, tree, "cat /etc/resolv.conf /proc/net/route > /dev/null", "private")
    closed = network.own_addresses(Path("/proc/net/fib_trie").read_text())
    return f"private, without this machine's loopback and its addresses {', '.join(closed) or '(none)'}"
