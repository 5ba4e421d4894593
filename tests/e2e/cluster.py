"""A Dask cluster of real processes, whose workers have stores of their own, and what makes it difficult.

Look here for workers that are slow, have another version, or live in another network.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import airbyte_ci
from tests.e2e.tiny import Tiny

Process = subprocess.Popen[bytes]
# The blocks that are reserved for documentation; some machines use one of them for themselves.
_BLOCKS = ("203.0.113", "198.51.100", "192.0.2")


@dataclass(frozen=True)
class Worker:
    """A worker: its store, options of `dask worker`, variables, and a command that starts it."""

    home: Path
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()


@contextmanager
def process(*command: str, env: Mapping[str, str], log: Path) -> Iterator[Process]:
    """A process that ends with the block."""
    with log.open("wb") as file:
        started = subprocess.Popen(command, env={**os.environ, **env}, stdout=file, stderr=file, start_new_session=True)
        try:
            yield started
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()


@contextmanager
def cluster(
    folder: Path, tiny: Tiny, workers: list[Worker], options: tuple[str, ...] = (), security: tuple[str, ...] = ()
) -> Iterator[tuple[str, list[Process]]]:
    """A scheduler with `options`, and the workers; the address for --executor. `security` are options of all."""
    info = folder / "scheduler.json"
    plain = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "30s"}
    python = (sys.executable, "-m")
    with ExitStack() as opened:
        scheduler = ("distributed.cli.dask_scheduler", "--port=0", "--no-dashboard", f"--scheduler-file={info}")
        log = folder / "scheduler.log"
        opened.enter_context(process(*python, *scheduler, *options, *security, env=plain, log=log))
        deadline = time.monotonic() + 120
        while not info.exists():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        processes = []
        for number, worker in enumerate(workers):
            arguments = ("distributed.cli.dask_worker", f"--scheduler-file={info}", "--nthreads=1", "--no-dashboard")
            env = {**plain, **tiny.environment, "AIRBYTE_CI_HOME": str(worker.home), **worker.env}
            command = (*worker.prefix, *python, *arguments, "--no-nanny", *security, *worker.arguments)
            processes.append(opened.enter_context(process(*command, env=env, log=folder / f"worker-{number}.log")))
        address = json.loads(info.read_text())["address"]
        wait_for_workers(folder, len(workers))
        yield address.replace("tcp://", "dask://").replace("tls://", "dask+tls://"), processes


def wait_for_workers(folder: Path, count: int) -> None:
    """Waits until all workers have registered."""
    deadline = time.monotonic() + 120
    logs = [folder / f"worker-{number}.log" for number in range(count)]
    while not all("Registered to:" in log.read_text() for log in logs):
        assert time.monotonic() < deadline, [log.read_text() for log in logs]
        time.sleep(0.1)


@contextmanager
def slowed(worker: Process) -> Iterator[None]:
    """Stops the worker and its jobs four fifths of the time."""
    is_over = threading.Event()

    def hold() -> None:
        while not is_over.is_set():
            os.killpg(worker.pid, signal.SIGSTOP)
            time.sleep(0.4)
            os.killpg(worker.pid, signal.SIGCONT)
            is_over.wait(0.1)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def other_version(folder: Path) -> Mapping[str, str]:
    """Variables with which a worker imports another version of airbyte-ci."""
    source = Path(airbyte_ci.__file__).parent
    target = folder / "airbyte_ci"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    own = target / "__init__.py"
    text = own.read_text()
    assert airbyte_ci.__version__ in text
    own.write_text(text.replace(airbyte_ci.__version__, "0.0.1"))
    return {"PYTHONPATH": str(folder)}


@contextmanager
def network(name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Another network namespace, with a cable to this one: this machine's address, and how to run a program there."""

    def ip(*arguments: str) -> str:
        return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout

    used = ip("route")
    block = next(block for block in _BLOCKS if block not in used)
    inside = ("netns", "exec", name, "ip")
    ip("netns", "add", name)
    try:
        ip("link", "add", "aci-out", "type", "veth", "peer", "name", "aci-in", "netns", name)
        ip("address", "add", f"{block}.1/30", "dev", "aci-out")
        ip("link", "set", "aci-out", "up")
        ip(*inside, "address", "add", f"{block}.2/30", "dev", "aci-in")
        ip(*inside, "link", "set", "aci-in", "up")
        ip(*inside, "link", "set", "lo", "up")
        # `ip netns exec` would hide the control groups, which runc needs.
        yield f"{block}.1", ("nsenter", f"--net=/run/netns/{name}")
    finally:
        ip("netns", "delete", name)


@contextmanager
def forwarded(address: str, port: int) -> Iterator[int]:
    """Forwards connections to an address of this machine to a port of its loopback; the port there."""
    with socket.create_server((address, 0)) as listening:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listening.accept()
                    far = socket.create_connection(("127.0.0.1", port))
                    for one, other in ((near, far), (far, near)):
                        threading.Thread(target=_copy, args=(one, other), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def certificates(folder: Path, name: str) -> tuple[str, ...]:
    """An authority, and a certificate of it for all parts of a cluster: the options of Dask's commands."""
    folder.mkdir()
    authority, key, request, certificate = (folder / f"{name}.{kind}" for kind in ("ca", "key", "csr", "pem"))
    new = ("-newkey", "rsa:2048", "-nodes", "-subj")

    def openssl(*arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    openssl("req", "-x509", "-days", 2, *new, "/CN=authority", "-keyout", folder / "ca.key", "-out", authority)
    openssl("req", *new, f"/CN={name}", "-keyout", key, "-out", request)
    openssl(
        "x509", "-req", "-days", 1, "-in", request, "-CA", authority, "-CAkey", folder / "ca.key", "-out", certificate
    )
    return (f"--tls-ca-file={authority}", f"--tls-cert={certificate}", f"--tls-key={key}")


def as_client(options: tuple[str, ...]) -> dict[str, str]:
    """The same certificates as variables of Dask's configuration, for the client."""
    authority, certificate, key = (option.partition("=")[2] for option in options)
    names = {"CA_FILE": authority, "CLIENT__CERT": certificate, "CLIENT__KEY": key}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in names.items()}
