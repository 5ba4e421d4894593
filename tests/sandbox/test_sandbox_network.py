"""The sandbox's networks: none has nothing, private has the outside but not this machine."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from airbyte_ci.doctor import probes
from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import network, sandbox
from airbyte_ci.sandbox.sandbox import Command, Finished, Network


@dataclass
class Server:
    """Listens on this machine's loopback and counts connections."""

    socket: socket.socket
    visitors: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    def serve(self) -> None:
        while True:
            try:
                connection, (address, _) = self.socket.accept()
            except OSError:
                return
            self.visitors.append(address)
            connection.sendall(b"secret of this machine\n")
            connection.close()


@contextmanager
def serving(address: str) -> Iterator[Server]:
    """A server on a free port of an address; of all of this machine's where it is empty."""
    with socket.create_server((address, 0)) as listening:
        made = Server(listening)
        thread = threading.Thread(target=made.serve, daemon=True)
        thread.start()
        yield made
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving("127.0.0.1") as made:
        yield made


@pytest.fixture
def exposed() -> Iterator[Server]:
    """The same on all of this machine's addresses."""
    with serving("") as made:
        yield made


def bash(store: Store, tree: Tree, line: str, network: Network) -> Finished:
    return sandbox.run(
        store,
        tree,
        Command(arguments=["/bin/bash", "-c", line], environment={"PATH": "/bin"}, network=network, timeout=60),
    )


def test_no_network_is_no_network(small_store: Store, small_tree: Tree) -> None:
    """Only lo is there, and no route."""
    done = bash(small_store, small_tree, "cat /proc/net/dev; echo --; cat /proc/net/route", "none")
    devices, _, routes = done.stdout.decode().partition("--\n")
    assert [line.split(":")[0].strip() for line in devices.splitlines()[2:]] == ["lo"]
    assert len(routes.splitlines()) <= 1


@pytest.mark.parametrize("network", ["none", "private"])
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.2.2", "localhost"])
def test_this_machines_loopback_is_out_of_reach(
    small_store: Store, small_tree: Tree, server: Server, network: Network, address: str
) -> None:
    """A service that listens on the host's loopback (a database, an agent with keys) is not for hooks."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        assert connection.recv(100)
    line = f"exec 3<>/dev/tcp/{address}/{server.port} && cat <&3"
    done = bash(small_store, small_tree, line, network)
    assert done.returncode != 0
    assert b"secret" not in done.stdout
    assert server.visitors == ["127.0.0.1"]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_hook_cannot_call_a_service_of_this_machine_its_proxy(
    small_store: Store, small_tree: Tree, exposed: Server, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a proxy of this machine's own environment opens a port of this machine, and only that one."""
    own = network.own_addresses(Path("/proc/net/fib_trie").read_text())
    if not own:
        pytest.skip("this machine has no address but loopback's")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    line = f"cat < /dev/tcp/{own[0]}/{exposed.port}"
    proxy = f"http://{own[0]}:{exposed.port}"
    environment = {"PATH": "/bin", variable: proxy}
    command = Command(arguments=["/bin/bash", "-c", line], environment=environment, network="private", timeout=60)
    done = sandbox.run(small_store, small_tree, command)
    assert done.returncode != 0 and not exposed.visitors
    monkeypatch.setenv(variable, proxy)
    assert sandbox.run(small_store, small_tree, command).stdout == b"secret of this machine\n"


def test_a_way_to_this_machine_would_be_seen(small_store: Store, small_tree: Tree) -> None:
    """`doctor` reports the network that commands can reach, also if it is this machine's own."""
    assert "commands cannot reach services of this machine at 127.0.0.1, 10.0.2.2" in probes._network(
        small_store, small_tree
    )
    with pytest.raises(SandboxError, match=r"reached this machine at 127\.0\.0\.1/"):
        probes._network(small_store, small_tree, "host")


def test_the_host_network_is_this_machines(small_store: Store, small_tree: Tree, server: Server) -> None:
    """The check that the server can be reached at all, and what `host` means."""
    done = bash(small_store, small_tree, f"cat < /dev/tcp/127.0.0.1/{server.port}", "host")
    assert done.stdout == b"secret of this machine\n"


def test_the_private_network_has_a_way_out(small_store: Store, small_tree: Tree) -> None:
    """A device of its own, a default route, and name servers; its loopback works."""
    line = (
        "cat /proc/net/dev /etc/resolv.conf;"
        "while read i d r; do [ $d = 00000000 ] && echo default $i; done < /proc/net/route"
    )
    text = bash(small_store, small_tree, line, "private").stdout.decode()
    assert "tap0:" in text
    assert "nameserver 10.0.2.3" in text
    assert "default tap0" in text


def test_abstract_sockets_of_this_machine_are_out_of_reach(small_store: Store, small_tree: Tree) -> None:
    """They belong to a network namespace: D-Bus and container runtimes listen on such."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0airbyte-ci-test")
        listening.listen()
        for network in ("none", "private"):
            text = bash(small_store, small_tree, "cat /proc/net/unix", network).stdout
            assert b"@airbyte-ci-test" not in text
