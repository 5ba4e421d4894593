"""Debian's Docker daemon with a data folder of its own, for as long as a block: the peer's builder."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

# Debian's own client: a newer one elsewhere on the path may want plug-ins that this daemon's package has not.
DOCKER = "/usr/bin/docker"


@contextlib.contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """The variables by which the client finds the daemon. Builds run with the machine's network."""
    folder.mkdir(parents=True)
    address = f"unix://{folder}/docker.sock"
    command = [
        *("dockerd", "--host", address, "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
        *("--pidfile", str(folder / "pid"), "--bridge=none", "--iptables=false", "--ip6tables=false"),
    ]
    variables = {"DOCKER_HOST": address, "DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": str(folder / "client")}
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 60
            while _client(variables, "version").returncode:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((folder / "log").read_text()[-2000:])
                time.sleep(0.1)
            driver = _client(variables, "info", "--format", "{{.Driver}}").stdout.decode().strip()
            assert driver == "overlay2", f"the peer would copy whole trees with the storage driver {driver}"
            yield variables
        finally:
            process.terminate()
            process.wait()
            # The daemon mounts its folder on itself and does not unmount it: it could not be removed.
            subprocess.run(["umount", "--recursive", "--quiet", str(folder / "data")], check=False)


def version() -> str:
    """`20.10.24+dfsg1`"""
    said = subprocess.run([DOCKER, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2].rstrip(",")


def _client(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([DOCKER, *arguments], env={**os.environ, **variables}, capture_output=True, check=False)
