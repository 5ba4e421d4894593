"""Checks whether this machine can run builds: all checks in order, and those of the sandbox and the store.

Each check also defines the effect of a failure and its fix. It changes nothing except a temporary file in the store,
and prints nothing.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from airbyte_ci.config import Configuration
from airbyte_ci.doctor import probes, programs, servers
from airbyte_ci.doctor.check import MachineCheck, Status
from airbyte_ci.errors import AirbyteCiError, SandboxError, StoreError
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.store import ownership
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs import user_namespace
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import launch, rootless, sandbox, staging
from airbyte_ci.sandbox.sandbox import Command

# An unpacked base image, the layers of some connectors, and the temporary files of builds.
_DISK = 5 << 30
_PROGRAMS = ("sh", "bash", "cat")
# Loaded by name where names are resolved, so that no program lists them.
_RESOLVERS = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")


def examine(home: Path, configuration: Configuration, native: Platform, *, offline: bool) -> tuple[MachineCheck, ...]:
    """Runs all checks, in display order; `home` is the store's folder, `native` this machine's platform.

    Takes 1–2 seconds.
    """
    with ThreadPoolExecutor(8) as pool:
        hosts = servers.list_registries(configuration)
        asked = [
            pool.submit(_timed, f"registry {host}", servers.check_registry(host, configuration))
            for host in ([] if offline else hosts)
        ]
        tools = (
            ("python", programs.check_python),
            ("git", programs.check_git),
            ("uv", programs.check_uv),
            ("docker", programs.check_docker),
        )
        others = [pool.submit(_timed, name, probe) for name, probe in tools]
        found = [_timed("user", _user), _timed("runner", programs.check_runner), *_here(home, native, offline=offline)]
        found += [item.result() for item in (*asked, *others)]
    skipped = [
        MachineCheck(name=f"registry {host}", status="untried", told="not checked: --offline is set")
        for host in hosts
        if offline
    ]
    return (*found, *skipped)


def _timed(name: str, probe: Callable[[], MachineCheck]) -> MachineCheck:
    """Runs and times one probe. An unexpected error is its own failure and does not stop the others."""
    started = time.monotonic()
    try:
        found = probe()
    except Exception as error:  # noqa: BLE001
        found = MachineCheck(
            name=name,
            status="missing" if name in _NEEDED else "limited",
            told=probes.explain(error),
            error_id=getattr(error, "error_id", ""),
            cost=_COSTS.get(name, ""),
        )
    return replace(found, seconds=round(time.monotonic() - started, 3))


# --- the sandbox and the store --------------------------------------------------------------------

_NOTHING_RUNS = "commands cannot run in images: hooks, bytecode, sdists and `spec` fail"
_NOTHING_KEPT = "the store is not writable, so nothing can be built"
_ELSEWHERE = "export AIRBYTE_CI_HOME=/a/folder/of/yours"
_COSTS = {
    "tools": _NOTHING_RUNS,
    "user namespaces": _NOTHING_RUNS,
    "overlay mount": _NOTHING_RUNS,
    "hook modules": "connectors with a build_customization.py cannot be built",
    "sandbox (overlay, runc, namespaces, limits)": _NOTHING_RUNS,
    "seccomp": "commands do not run, because dangerous system calls would not be blocked",
    "network of the sandbox": "hooks and systemPackages that download something fail",
    probes.WAY_OUT: "hooks and systemPackages that download something fail",
    "identities and limits": "",
    "store": _NOTHING_KEPT,
    "user": _NOTHING_RUNS,
}
_STATUSES: Mapping[bool | None, Status] = {True: "ok", None: "untried"}
# Nothing can be built without these; without the others, only some connectors or commands fail.
_NEEDED = frozenset(("user", "user namespaces", "store", "overlay mount"))


def _here(home: Path, native: Platform, *, offline: bool) -> Iterator[MachineCheck]:
    """Checks everything that needs the store's disk, in order; after a failure, the rest reports the effect."""
    yield _timed("user namespaces", _namespaces)
    try:
        store = Store(home)
    except (AirbyteCiError, OSError) as error:
        advice = getattr(error, "advice", None) or _ELSEWHERE
        yield MachineCheck(
            name="store",
            status="missing",
            told=probes.explain(error),
            error_id=getattr(error, "error_id", ""),
            cost=_NOTHING_KEPT,
            advice=advice,
        )
        return
    yield _timed("store", lambda: _disk(store))
    yield _timed("store permissions", lambda: _privacy(home))
    yield _timed("overlay mount", lambda: _overlay(store))
    yield _timed("users of commands", lambda: _owners(store))
    yield from _sandbox(store, offline=offline)
    yield _timed("pythons of base images", lambda: programs.check_pythons(store, native))


def _sandbox(store: Store, *, offline: bool) -> Iterator[MachineCheck]:
    with store.scratch() as folder:
        tree, reason = None, "cannot create a test root from this machine's sh"
        try:
            tree = _small_root(folder)
        except OSError as error:
            reason += f": {probes.explain(error)}"
        tried = probes.all_of(store, tree, None if offline else servers.find_outside(os.environ))
        for item in tried:
            status = _STATUSES.get(item.works, "limited" if item.name == probes.WAY_OUT else "missing")
            cost = _COSTS.get(item.name, _NOTHING_RUNS) if item.works is False else ""
            yield MachineCheck(
                name=item.name,
                status=status,
                told=item.detail,
                error_id=item.error_id,
                cost=cost,
                advice=item.advice or "",
                seconds=round(item.seconds, 3),
            )
        if tree is None:
            yield MachineCheck(name="sandbox", status="untried", told=reason)
        else:
            small = tree
            yield _timed("seccomp", lambda: _seccomp(store, small))


def _user() -> MachineCheck:
    if os.geteuid() == 0:
        users, groups = user_namespace.same()
        fewest = min(sum(length for *_, length in table) for table in (users, groups))
        if fewest < rootless.NEEDED:
            told = f"root of a user namespace with {fewest} ids; images need {rootless.NEEDED}"
            return MachineCheck(
                name="user",
                status="missing",
                told=told,
                cost=_NOTHING_RUNS,
                advice="unshare --map-root-user --map-auto airbyte-ci …",
            )
        return MachineCheck(
            name="user", status="ok", told="root of a user namespace" if user_namespace.inside() else "root"
        )
    obstacle = rootless.obstacle()
    if obstacle is None:
        return MachineCheck(name="user", status="ok", told="an ordinary user with subordinate ids")
    return MachineCheck(
        name="user", status="missing", told=obstacle.message, cost=_NOTHING_RUNS, advice=obstacle.advice or ""
    )


def _namespaces() -> MachineCheck:
    name = "user namespaces"
    try:
        _run(["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "true"])
    except SandboxError as error:
        return MachineCheck(
            name=name,
            status="missing",
            told=error.message,
            error_id=error.error_id,
            cost=_COSTS[name],
            advice=error.advice or _allow_namespaces(),
        )
    return MachineCheck(name=name, status="ok", told="created, with mount and process namespaces")


def _allow_namespaces() -> str:
    """Returns the setting that forbids user namespaces here."""
    restricted = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if restricted.exists() and restricted.read_text().strip() == "1":
        return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    return "sudo sysctl -w user.max_user_namespaces=15000 (in a container: run it with --privileged)"


def _overlay(store: Store) -> MachineCheck:
    name = "overlay mount"
    script = 'cd "$1" && mkdir l u w m && mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m && echo x > m/x'
    try:
        with store.scratch() as folder:
            _run([*launch.namespaces(), "sh", "-c", script, "overlay", str(folder)])
    except SandboxError as error:
        advice = "export AIRBYTE_CI_HOME=/a/folder on ext4 or xfs, or: sudo modprobe overlay"
        return MachineCheck(
            name=name,
            status="missing",
            told=error.message,
            error_id=error.error_id,
            cost=_COSTS[name],
            advice=error.advice or advice,
        )
    return MachineCheck(name=name, status="ok", told="mounted on the store's file system and writable")


def _owners(store: Store) -> MachineCheck:
    name = "users of commands"
    if user_namespace.inside():
        return MachineCheck(
            name=name,
            status="ok",
            told="mapped to this user's namespace: root in an image is the user who runs airbyte-ci",
        )
    why = staging.obstacle(store.root / "scratch")
    if not why:
        return MachineCheck(name=name, status="ok", told="root in an image has no account on this machine")
    if staging.consents():
        cost = f"root in an image is root of this machine, as {staging.CONSENT} allows"
        return MachineCheck(
            name=name, status="limited", told=why, cost=cost, advice="run airbyte-ci as an ordinary user"
        )
    return MachineCheck(name=name, status="missing", told=why, cost=_NOTHING_RUNS, advice=staging.ADVICE)


def _seccomp(store: Store, tree: Tree) -> MachineCheck:
    command = Command(arguments=("/bin/sh", "-c", "cat /proc/self/status"), environment={"PATH": "/bin"}, timeout=30)
    try:
        said = sandbox.run(store, tree, command).stdout.decode(errors="replace")
    except AirbyteCiError as error:
        return MachineCheck(
            name="seccomp",
            status="missing",
            told=error.message,
            error_id=error.error_id,
            cost=_COSTS["seccomp"],
            advice=error.advice or "",
        )
    if "Seccomp:\t2" in said and "NoNewPrivs:\t1" in said:
        return MachineCheck(name="seccomp", status="ok", told="commands run with a filter and cannot gain privileges")
    advice = "use a kernel and a runc with CONFIG_SECCOMP_FILTER"
    return MachineCheck(
        name="seccomp",
        status="limited",
        told="commands run without a filter",
        cost="commands can use all system calls",
        advice=advice,
    )


def _privacy(home: Path) -> MachineCheck:
    """Checks whether only the user can write to the store. Opening the store has already restricted its own folder."""
    name = "store permissions"
    exposed = list(ownership.exposures(home, user_namespace.unmapped()))
    if not exposed:
        return MachineCheck(name=name, status="ok", told="other users cannot read or replace the store")
    place, why = exposed[0]
    return MachineCheck(
        name=name,
        status="limited",
        told=f"{place}: {why}",
        cost="other users of this machine can change the inputs of images",
        advice=f"chmod go-w {place}, or: {_ELSEWHERE}",
    )


def _disk(store: Store) -> MachineCheck:
    try:
        with store.scratch() as folder:
            (folder / "file").write_bytes(b"x" * 4096)
            (folder / "link").hardlink_to(folder / "file")
    except (OSError, StoreError) as error:
        return MachineCheck(
            name="store",
            status="missing",
            told=f"{store.root}: {getattr(error, 'strerror', None) or error}",
            error_id=getattr(error, "error_id", ""),
            cost=_NOTHING_KEPT,
            advice=_ELSEWHERE,
        )
    free = shutil.disk_usage(store.root).free
    told = f"{store.root}, {free / 1e9:.0f} GB free"
    if free < _DISK:
        cost = f"builds may fail: a base image and its layers need about {_DISK / 1e9:.0f} GB"
        return MachineCheck(
            name="store", status="limited", told=told, cost=cost, advice="airbyte-ci store gc --max-size 1GB"
        )
    return MachineCheck(name="store", status="ok", told=told)


def _run(command: Sequence[str]) -> None:
    """Runs a command; raises SandboxError with its message."""
    launch.require((next(name for name in command if name in ("unshare", "setpriv")),), "trying namespaces")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"{command[0]} did not finish in 10 s") from error
    if done.returncode:
        last = "".join(done.stderr.strip().splitlines()[-1:])
        raise SandboxError(last or f"{command[0]} ended with exit code {done.returncode}")


def _small_root(folder: Path) -> Tree | None:
    """Creates a root file system with this machine's shell and its libraries; None if they cannot be found."""
    for place in ("bin", "tmp", "etc"):
        (folder / place).mkdir()
    for name in _PROGRAMS:
        program = shutil.which(name)
        if program is None:
            return None
        try:
            listed = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=10, check=False).stdout
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return None
        shutil.copy(program, folder / "bin" / name)
        for library in re.findall(r"(/\S+\.so\S*) \(0x", listed):
            target = folder / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
            for resolver in _RESOLVERS:
                if (beside := Path(library).with_name(resolver)).exists():
                    shutil.copy(beside, target.with_name(resolver))
    return Tree((folder,))
