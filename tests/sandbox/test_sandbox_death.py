"""How a sandbox ends: in time or out of it, with its parent or before, no process and no mount outlives it."""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

import airbyte_ci
from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import control_groups, sandbox
from airbyte_ci.sandbox.sandbox import Command, Network
from tests.processes import processes, until

pytestmark = pytest.mark.slow

# Forks twice, ignores every signal that can be, and one child leaves the session and its parent.
STUBBORN = """
trap '' TERM INT HUP QUIT
(trap '' TERM HUP; sleep {marker} & sleep {marker}) &
sleep {marker} & disown
sleep {marker}
"""


@pytest.fixture
def marker() -> str:
    """A number of seconds that no other process sleeps."""
    return f"4242.{uuid.uuid4().int % 10**15:015d}"


@pytest.mark.parametrize("network", ["none", "private"])
def test_a_time_limit_kills_everything(small_store: Store, small_tree: Tree, marker: str, network: Network) -> None:
    """Processes that fork, detach and ignore signals are gone when the error with the reason is raised."""
    line = STUBBORN.format(marker=marker)
    command = Command(arguments=["/bin/bash", "-c", line], environment={"PATH": "/bin"}, network=network, timeout=1)
    with pytest.raises(SandboxError, match="killed because it did not finish in 1 s"):
        sandbox.run(small_store, small_tree, command)
    assert processes(marker) == []


def test_what_a_command_leaves_running_ends_with_it(small_store: Store, small_tree: Tree, marker: str) -> None:
    """A daemon that a hook started does not outlive the command."""
    line = f"(sleep {marker} &) ; sleep {marker} & echo done"
    done = sandbox.run(
        small_store, small_tree, Command(arguments=["/bin/bash", "-c", line], environment={"PATH": "/bin"}, timeout=60)
    )
    assert (done.returncode, done.stdout) == (0, b"done\n")
    assert processes(marker) == []


@pytest.mark.parametrize("network", ["none", "private"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda end: end.name)
def test_nothing_outlives_the_tool(
    small_store: Store, small_tree: Tree, marker: str, network: Network, end: signal.Signals
) -> None:
    """Killed outright or interrupted, it takes processes, mounts and the network's helper with it."""
    source = f"""
import signal
from pathlib import Path
from airbyte_ci.sandbox import control_groups, sandbox
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.oci.store.store import Store
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
argv = ["/bin/bash", "-c", {STUBBORN.format(marker=marker)!r}]
command = sandbox.Command(arguments=argv, environment={{"PATH": "/bin"}}, network={network!r})
sandbox.run(Store(Path({str(small_store.root)!r})), Tree((Path({str(small_tree.layers[0])!r}),)), command)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(airbyte_ci.__file__).parents[1])}
    tool = subprocess.Popen([sys.executable, "-c", source], env=environment, stderr=subprocess.DEVNULL)
    try:
        assert until(lambda: len(processes(f"sleep\0{marker}")) == 4)
        helpers = Path(f"/proc/{tool.pid}/task/{tool.pid}/children").read_text().split()
        tool.send_signal(end)
        assert until(lambda: tool.poll() is not None)
        # The tool's own argv has the marker as well.
        assert until(lambda: not processes(marker))
        assert until(lambda: not any(_lives(pid) for pid in helpers))
        mounts = {path.read_text() for path in Path("/proc").glob("[0-9]*/mounts") if _readable(path)}
        assert not any(str(small_store.root) in text for text in mounts)
    finally:
        tool.kill()
        tool.wait()
        _tidy(small_store)


def _tidy(store: Store) -> None:
    """A tool that was killed leaves a folder, which is collected later, and empty control groups."""
    for folder in (store.root / "scratch").iterdir():
        control_groups.sweep()
        shutil.rmtree(folder)


def _lives(pid: str) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def _readable(path: Path) -> bool:
    try:
        path.read_text()
    except OSError:
        return False
    return True


def test_the_store_is_fit_for_use_after_a_killing(small_store: Store, small_tree: Tree) -> None:
    """The files of a killed run do not disturb later ones."""
    rest = small_store.root / "scratch" / "tmprest"
    (rest / "upper").mkdir(parents=True)
    done = sandbox.run(
        small_store, small_tree, Command(arguments=["/bin/true"], environment={"PATH": "/bin"}, timeout=60)
    )
    assert done.returncode == 0
    (rest / "upper").rmdir()
    rest.rmdir()
