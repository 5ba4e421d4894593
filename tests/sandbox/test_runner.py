"""Where commands in images run, and the container of a docker-compatible program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airbyte_ci.errors import SandboxError, UsageError
from airbyte_ci.sandbox import container, network, runner
from airbyte_ci.sandbox.container import ContainerUser
from airbyte_ci.sandbox.runner import Runner
from tests.e2e.command import PROJECT

# Python of a Mac, as far as a Linux machine can imitate it: its name, and without the functions that only Linux has
# (typeshed's list of them).
MAC = """
import asyncio, ctypes, http.client, multiprocessing, os, platform, posix, select, shutil, signal, socket, subprocess
import sys, sysconfig, tempfile, urllib.request, uuid
sysconfig.get_config_vars(), platform.platform()
GONE = ("O_PATH O_TMPFILE ST_NOEXEC ST_NOATIME ST_NODIRATIME ST_RELATIME getxattr setxattr listxattr removexattr"
        " pidfd_open memfd_create setns unshare eventfd copy_file_range sched_getaffinity posix_fallocate").split()
for module in (os, posix):
    for name in GONE:
        vars(module).pop(name, None)
del select.epoll
sys.platform = "darwin"
"""
IMPORTS = """
import importlib, pkgutil
import airbyte_ci
for module in pkgutil.walk_packages(airbyte_ci.__path__, "airbyte_ci."):
    if module.name.rpartition(".")[2] not in ("__main__", "process", "bytecode_compiler", "bytecode_marshal"):
        importlib.import_module(module.name)
print("all")
"""
COMMAND = """
sys.argv = ["airbyte-ci", *sys.argv[1:]]
from airbyte_ci.__main__ import main
main()
"""


def _on_mac(program: str, *arguments: str, path: str = "/nonexistent") -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRBYTE_CI_RUNNER")}
    return subprocess.run(
        [sys.executable, "-c", MAC + program, *arguments],
        cwd=PROJECT / "examples" / "fleet",
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_each_module_can_be_imported_on_a_mac() -> None:
    """No module needs a constant or a function of Linux when it is imported."""
    done = _on_mac(IMPORTS)
    assert done.stdout.strip() == "all", done.stderr


def test_a_mac_without_a_program_lists_and_says_what_to_install() -> None:
    """Commands that run nothing work; others fail with one line."""
    listed = _on_mac(COMMAND, "connectors", "list")
    assert listed.returncode == 0 and "source-tides" in listed.stdout, listed.stderr
    failed = _on_mac(COMMAND, "store", "stats")
    assert failed.returncode == 1 and failed.stdout == ""
    (line,) = failed.stderr.splitlines()
    assert "runc needs Linux, and this machine has macOS" in line and "Docker Desktop" in line
    checked = _on_mac(COMMAND, "doctor")
    assert checked.returncode == 1 and "✗ runner" in checked.stdout


def test_windows_is_told_about_wsl() -> None:
    """Modules of Unix are missing there, so nothing is imported before the line is printed."""
    program = "import sys; sys.platform = 'win32'; sys.modules['fcntl'] = None\n" + COMMAND
    done = subprocess.run([sys.executable, "-c", program, "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "WSL 2" in line


def test_the_variable_chooses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name that is unknown or not installed is an error; in a container, commands run there."""
    assert runner.choose({"AIRBYTE_CI_RUNNER": "native"}).program is None
    inside = {"AIRBYTE_CI_RUNNER": "docker", "_AIRBYTE_CI_RUNNER_INSIDE": "in a container"}
    assert runner.choose(inside) == Runner(None, "in a container")
    with pytest.raises(UsageError, match="must be one of auto, native, docker, podman, nerdctl"):
        runner.choose({"AIRBYTE_CI_RUNNER": "lxc"})
    (tmp_path / "podman").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="docker, which is not on the PATH"):
        runner.choose({"AIRBYTE_CI_RUNNER": "docker"})
    assert runner.choose({"AIRBYTE_CI_RUNNER": "podman"}).program == "podman"
    # It does not respond, so errors of commands name the missing tools.
    assert runner.choose({}) == Runner(
        None, f"but {', '.join(runner.TOOLS)} not found on this machine, and none of docker, podman, nerdctl responds"
    )


def test_a_container_sees_what_the_command_needs(tmp_path: Path) -> None:
    """The home folder, the whole repository and folders in arguments, and no folder of the system."""
    home, work, other = tmp_path / "home", tmp_path / "work", tmp_path / "other"
    for folder in (home / "inner", work / ".git", work / "connectors", other):
        folder.mkdir(parents=True)
    (other / "plan.json").touch()
    shared = container.shared_folders
    assert shared(work / "connectors", home, ["build"]) == [home, work]
    assert shared(home / "inner", home, [f"--from-plan={other}/plan.json", "--mount", f"{work}:/data:ro"]) == [
        home,
        other,
        work,
    ]
    assert shared(home, home, [f"--output=archive:{other}/new.tar", "../work/x", "source/name"]) == [home, other, work]
    # The repository around a named folder, and the one of a worktree.
    assert shared(home, home, [f"--repo={work}/connectors"]) == [home, work]
    (other / ".git").write_text(f"gitdir: {work}/.git/worktrees/other\n")
    assert shared(other, home, []) == [home, other, work / ".git"]
    assert shared(home, home, ["/etc/passwd", "/usr/bin/env", "/", "/x", "--a=/proc/self", "/dev/null"]) == [home]


def test_a_container_gets_the_variables_of_the_work(tmp_path: Path) -> None:
    """By name, so that no value is on the command line; those of this machine have other values there."""
    environment = {
        "HOME": str(tmp_path),
        "PATH": "/bin",
        "GITHUB_TOKEN": "hidden",
        "AIRBYTE_CI_HOME": "/elsewhere",
        "DOCKER_HOST": "unix:///x",
        "PYTHONPATH": "/x",
        "BASH_FUNC_x%%": "() { :; }",
        "SOURCE_DATE_EPOCH": "1",
    }
    command = container.run_command(
        Runner("docker", "because"),
        "image",
        ContainerUser(1000, 1001),
        ["a"],
        environment,
        folder=tmp_path,
        is_terminal=False,
    )
    assert "hidden" not in " ".join(command)
    names = {item.removeprefix("--env=") for item in command if item.startswith("--env=") and item.count("=") == 1}
    assert names == {"GITHUB_TOKEN", "SOURCE_DATE_EPOCH"}
    assert "--env=AIRBYTE_CI_HOME=/var/cache/airbyte-ci/store" in command and f"--env=HOME={tmp_path}" in command
    assert command[-2:] == ["image", "a"] and "--user=1000:1001" in command and "--tty" not in command
    assert "--privileged" not in command
    one, other = (container.volume({"AIRBYTE_CI_HOME": name}, ContainerUser(0, 0)) for name in ("/a", "/b"))
    assert one != other


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """A comma or a quote in its name does not end the option."""
    odd = tmp_path / 'a,"b'
    odd.mkdir()
    command = container.run_command(
        Runner("docker", ""), "i", ContainerUser(0, 0), [], {"HOME": str(odd)}, folder=odd, is_terminal=True
    )
    assert f'--mount=type=bind,"source={str(odd).replace(chr(34), chr(34) * 2)}"' in " ".join(command)


def test_the_machine_around_a_container_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container, the addresses of the names that programs give to it are refused like this machine's own."""
    monkeypatch.setattr(network, "_OUTER", ("192.0.2.77", "127.0.0.1", "none.invalid"))
    network._outer.cache_clear()
    assert not network.is_own("192.0.2.77")
    monkeypatch.setenv(runner.INSIDE, "in a container")
    assert network.is_own("192.0.2.77")
    assert "route add blackhole 192.0.2.77\n" in network.here({})
    network._outer.cache_clear()
