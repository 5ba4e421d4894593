"""A process that has imported the command and forks for each call: the imports cost more than many commands.

Each call runs in a process of its own, with the folder, environment, umask and streams that a new process would have.
`python -m tests.e2e.warm FD` answers requests on the socket FD until its other end is closed.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

# Scripts that run in other interpreters, and the module that only starts the command.
_NOT_IMPORTED = ("__main__", "bytecode_worker", "bytecode_compiler", "bytecode_marshal", "build_frontend")
# What an interpreter reads when it starts.
_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_")
_DESCRIPTORS = 3


class WarmCommand:
    """The client: starts the process when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._environment: Mapping[str, str] = {}

    def is_equal_to_a_new_process(self, environment: Mapping[str, str]) -> bool:
        """Whether a new interpreter would start in the same way in this environment."""
        with self._lock:
            self._connect()
        return _of_interpreter(environment) == self._environment

    def run(
        self, arguments: tuple[str, ...], cwd: Path, environment: Mapping[str, str], timeout: int
    ) -> tuple[int, bytes, bytes]:
        """Runs the command; returns its exit code, stdout and stderr."""
        request = {"arguments": arguments, "cwd": str(cwd), "environment": dict(environment), "umask": _umask()}
        ours, theirs = socket.socketpair()
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._connect(), [b"."], [theirs.fileno(), out_end, err_end])
        finally:
            theirs.close()
            os.close(out_end)
            os.close(err_end)
        with ours, os.fdopen(out, "rb", buffering=0) as stdout, os.fdopen(err, "rb", buffering=0) as stderr:
            ours.sendall(json.dumps(request).encode())
            ours.shutdown(socket.SHUT_WR)
            answer, *output = _read(ours, (stdout.fileno(), stderr.fileno()), timeout)
        return int(answer), output[0], output[1]

    def _connect(self) -> socket.socket:
        if self._socket is None:
            self._environment = _of_interpreter(os.environ)
            self._socket, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-m", "tests.e2e.warm", str(theirs.fileno())]
                folder = Path(__file__).parents[2]
                process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
            atexit.register(process.wait)
            atexit.register(self._socket.close)
        return self._socket


def _of_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_AT_START)}


def _umask() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask"))


def _read(connection: socket.socket, pipes: tuple[int, ...], timeout: int) -> list[bytes]:
    """All that comes from the connection and the pipes, which are read together."""
    deadline = time.monotonic() + timeout
    found: dict[int, bytearray] = {connection.fileno(): bytearray(), **{pipe: bytearray() for pipe in pipes}}
    with selectors.DefaultSelector() as waiting:
        for descriptor in found:
            waiting.register(descriptor, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(deadline - time.monotonic())
            if not ready:
                os.kill(int(bytes(found[connection.fileno()]).split()[0]), signal.SIGKILL)
                raise subprocess.TimeoutExpired("airbyte-ci", timeout)
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                found[key.fd] += data
                if not data:
                    waiting.unregister(key.fd)
    answers = bytes(found.pop(connection.fileno())).split()
    return [answers[-1], *map(bytes, found.values())]


def serve(connection: socket.socket) -> NoReturn:
    """Forks for each request, until the other end is closed."""
    import airbyte_ci

    for module in pkgutil.walk_packages(airbyte_ci.__path__, "airbyte_ci."):
        if module.name.rpartition(".")[2] not in _NOT_IMPORTED:
            importlib.import_module(module.name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        data, descriptors, _, _ = socket.recv_fds(connection, 1, _DESCRIPTORS)
        if not data:
            os._exit(0)
        if os.fork() == 0:
            connection.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _supervise(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _supervise(connection: int, out: int, err: int) -> NoReturn:
    """Runs one command in a child, and reports its process id and exit code."""
    with socket.socket(fileno=connection) as client:
        request = json.loads(b"".join(iter(lambda: client.recv(1 << 16), b"")))
        child = os.fork()
        if child == 0:
            client.close()
            _become(request, out, err)
        os.close(out)
        os.close(err)
        client.sendall(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(request: dict[str, object], out: int, err: int) -> NoReturn:
    """Makes this process the command."""
    from airbyte_ci.__main__ import main

    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    os.chdir(str(request["cwd"]))
    os.umask(int(str(request["umask"])))
    environment, arguments = request["environment"], request["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["airbyte-ci", *arguments]
    code = 1
    try:
        main()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
