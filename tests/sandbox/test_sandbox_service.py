"""A service of this process in a sandbox without a network: one port of its own loopback, and nothing else."""

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator

from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import sandbox
from airbyte_ci.sandbox.command import SERVICE_PORT, Command

_ASK = "exec 3<>/dev/tcp/127.0.0.1/{port} && cat <&3"


@contextlib.contextmanager
def greeting(listener: socket.socket) -> Iterator[None]:
    """Says hello to each connection."""

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"hello")

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def run(store: Store, tree: Tree, script: str, **more: object) -> sandbox.Finished:
    command = Command(arguments=("bash", "-c", script), environment={"PATH": "/bin"}, **more)  # type: ignore[arg-type]  # any field
    return sandbox.run(store, tree, command)


def test_a_command_reaches_its_service_and_nothing_else(small_store: Store, small_tree: Tree) -> None:
    """The service answers on its port; other ports and addresses of this machine stay out of reach, and nobody else
    sees the port.
    """
    assert run(small_store, small_tree, _ASK.format(port=SERVICE_PORT), service=greeting).stdout == b"hello"
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        refused = run(small_store, small_tree, _ASK.format(port=server.server_port), service=greeting)
    assert refused.returncode != 0 and not refused.stdout
    outside = run(small_store, small_tree, "exec 3<>/dev/tcp/192.0.2.1/80", service=greeting)
    assert b"unreachable" in outside.stderr
    other = run(small_store, small_tree, _ASK.format(port=SERVICE_PORT))
    assert other.returncode != 0


def test_the_service_ends_with_the_command(small_store: Store, small_tree: Tree) -> None:
    """After the command nothing listens: the socket and its network namespace are gone."""
    seen: list[socket.socket] = []

    @contextlib.contextmanager
    def kept(listener: socket.socket) -> Iterator[None]:
        seen.append(listener)
        with greeting(listener):
            yield

    run(small_store, small_tree, "true", service=kept)
    assert [listener.fileno() for listener in seen] == [-1]
