"""Docker's own registry, run on loopback for the duration of a test.

Knows how to run the program `docker-registry` (distribution 2.8), not the requests.
"""

import contextlib
import json
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PROGRAM = "docker-registry"


@contextlib.contextmanager
def docker_registry(
    folder: Path, *, htpasswd: str | None = None, seconds: float = 60.0, host: str = ""
) -> Iterator[str]:
    """Runs the registry with its files in `folder` and yields its `host:port`; ends it afterwards.

    `host` is that of an earlier registry, which returns with other files. `htpasswd` is a line as `htpasswd -B` writes
    it; with one, the registry requires basic authentication.
    """
    folder.mkdir(parents=True, exist_ok=True)
    host = host or f"127.0.0.1:{free_port()}"
    document: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": host},
    }
    if htpasswd:
        (folder / "htpasswd").write_text(htpasswd)
        document["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    config = folder / "config.yml"
    config.write_text(json.dumps(document))  # JSON is YAML
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "serve", str(config)], stdout=log, stderr=log)
        try:
            _wait(host, process, seconds)
            yield host
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    """Returns a port of loopback for a program that cannot choose one itself.

    The kernel gives ports from 32768 on to every connection and to every server without a number (ip(7),
    ip_local_port_range), also between this choice and the program's start. So this port is a smaller one.
    """
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


def _wait(host: str, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{host}/v2/", timeout=1):
                return
        except urllib.error.HTTPError as error:
            error.close()
            return  # it answers, even if it only requires a login
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{PROGRAM} did not begin to answer on {host}")
