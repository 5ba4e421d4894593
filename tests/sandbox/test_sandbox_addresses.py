"""Addresses that a sandbox with network must not reach, however its sockets choose their way; this machine listens."""

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import network
from tests.sandbox.python_in_image import run_python

pytestmark = pytest.mark.slow

# Each address by UDP and by TCP; all at once, and then a moment for answers, longer if fewer than `expected` came.
# `reached` are those that answered.
PROGRAM = """
import select, socket, struct, time
port, targets, way, expected = argv
TAP = socket.if_nametoindex("tap0")

def prepare(family):
    def make(kind):
        made = socket.socket(family, kind)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if way == "bound to the device":
            made.setsockopt(socket.SOL_SOCKET, 25, b"tap0\\0")
        elif way == "device by number":
            made.setsockopt(socket.SOL_SOCKET, 62, struct.pack("i", TAP))
        elif way == "unicast interface":
            made.setsockopt(socket.IPPROTO_IP, 50, struct.pack("!I", TAP))
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.0.2.100"))
        elif way == "no routing":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        elif way == "another source":
            made.setsockopt(socket.IPPROTO_IP, 15, 1)
            made.bind(("127.0.0.1", 0))
        return made
    return make

def packet_info(made, data, place):  # one packet's own device, whatever the socket says
    made.sendmsg([data], [(socket.IPPROTO_IP, 8, struct.pack("iII", TAP, 0, 0))], 0, place)

reached, waiting = [], {}
mapped = way == "IPv4-mapped IPv6"
make = prepare(socket.AF_INET6 if mapped else socket.AF_INET)
for address, other in targets:
    place = ("::ffff:" + address if mapped else address, other or port)
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        try:
            made = make(kind)
            waiting[made] = f"{address} {kind.name}"
            if kind == socket.SOCK_STREAM:
                made.connect_ex(place)
            elif way == "device of a packet":
                packet_info(made, b"hello", place)
            else:
                made.sendto(b"hello", place)
                made.sendto(b"x" * 9000, place)
        except OSError:
            pass
end = time.monotonic() + 1.5
while waiting and (len(reached) < expected or time.monotonic() < end):
    ready, _, _ = select.select(list(waiting), [], [], 0.1)
    for made in ready:
        name = waiting.pop(made)
        try:
            if made.recv(100):
                reached.append(name)
        except OSError:
            pass
print(json.dumps(sorted(reached)))
"""
WAYS = (
    *("by its route", "bound to the device", "device by number", "unicast interface", "device of a packet"),
    *("no routing", "another source", "IPv4-mapped IPv6"),
)
FORBIDDEN = (
    *("127.0.0.1", "127.0.0.53", "127.255.255.254", "0.0.0.0", "0.1.2.3"),
    *("10.0.2.2", "10.0.2.3", "10.0.2.4", "10.0.2.255", "255.255.255.255"),
    *("169.254.169.254", "169.254.1.1", "224.0.0.1", "224.0.0.251", "239.1.2.3", "240.0.0.1"),
)


@dataclass
class Heard:
    """A port of this machine, on all of its addresses, and what came there."""

    port: int
    what: list[str] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Heard]:
    """Answers every request, by UDP and TCP, including multicast."""
    with socket.create_server(("", 0)) as streams, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
        heard = Heard(streams.getsockname()[1])
        packets.bind(("", heard.port))
        for group in ("224.0.0.251", "239.1.2.3"):
            own = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
            packets.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, own)

        def serve_streams() -> None:
            while True:
                try:
                    connection, address = streams.accept()
                except OSError:
                    return
                heard.what.append(f"TCP from {address}")
                with connection:
                    connection.sendall(b"secret of this machine")

        def serve_packets() -> None:
            while True:
                data, address = packets.recvfrom(10_000)
                if data == b"end":
                    return
                heard.what.append(f"UDP from {address}")
                packets.sendto(b"secret of this machine", address)

        threads = [threading.Thread(target=serve) for serve in (serve_streams, serve_packets)]
        for thread in threads:
            thread.start()
        yield heard
        streams.shutdown(socket.SHUT_RDWR)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", ("127.0.0.1", heard.port))
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_to_this_machine(
    small_store: Store, small_tree: Tree, listener: Heard, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither UDP nor TCP comes to any of its addresses, to its gateway, by broadcast or multicast."""
    _without_proxies(monkeypatch)
    own = network.own_addresses(Path("/proc/net/fib_trie").read_text())
    targets = [(address, 0) for address in (*FORBIDDEN, *own)] + [("169.254.169.254", 80)]
    reached = run_python(small_store, small_tree, PROGRAM, listener.port, targets, way, 0, network="private")
    assert (reached, listener.what) == ([], [])


def test_a_socket_of_the_device_still_reaches_what_is_open(
    small_store: Store, small_tree: Tree, listener: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verifies this test: with a mounted proxy of this machine, only its port answers."""
    own = network.own_addresses(Path("/proc/net/fib_trie").read_text())
    if not own:
        pytest.skip("this machine has no address but loopback's")
    _without_proxies(monkeypatch)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{own[0]}:{listener.port}")
    targets = [(own[0], 0), ("127.0.0.1", 0)]
    for way in ("by its route", "bound to the device", "IPv4-mapped IPv6"):
        reached = run_python(small_store, small_tree, PROGRAM, listener.port, targets, way, 2, network="private")
        assert reached == [f"{own[0]} SOCK_DGRAM", f"{own[0]} SOCK_STREAM"], way


def test_the_router_is_out_of_reach_of_what_it_routes(small_store: Store, small_tree: Tree) -> None:
    """A sandbox may change neither its own addresses, routes and devices nor the router's settings."""
    program = """
import socket, struct
done = []
link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
# RTM_NEWROUTE for 127.0.0.0/8 over the device; RTM_DELLINK of the device; RTM_NEWRULE that looks up another table
tap = socket.if_nametoindex("tap0")
route = struct.pack("BBBBBBBBI", 2, 8, 0, 0, 254, 4, 253, 1, 0)
route += struct.pack("HH4s", 8, 1, bytes([127, 0, 0, 0])) + struct.pack("HHI", 8, 4, tap)
for kind, body in ((24, route), (17, struct.pack("BxHiII", 0, 0, tap, 0, 0)),
                   (32, struct.pack("BBBBBBBBI", 2, 0, 0, 0, 100, 0, 0, 1, 0))):
    link.send(struct.pack("IHHII", 16 + len(body), kind, 0x605, 1, 0) + body)
    answer = link.recv(4096)
    done.append(struct.unpack("i", answer[16:20])[0])
for name in ("conf/all/route_localnet", "ip_forward", "conf/tap0/forwarding"):
    try:
        open("/proc/sys/net/ipv4/" + name, "w").write("1")
        done.append(name)
    except OSError:
        pass
for kind in (socket.SOCK_RAW,):
    try:
        socket.socket(socket.AF_INET, kind, socket.IPPROTO_RAW)
        done.append("raw")
    except OSError:
        pass
print(json.dumps(done))
"""
    assert run_python(small_store, small_tree, program, network="private") == [-1, -1, -1]


def test_a_name_server_answers_at_its_port_only() -> None:
    """Allowed addresses precede refused ones; protocols are numbers, for systems without /etc/protocols."""
    lines = network.router(("192.0.2.9",), {"http_proxy": "http://192.0.2.9:3128"}, os.getpid()).splitlines()
    opened = [line for line in lines if "priority 10" in line]
    assert {line.split(" lookup")[0].split(" to ")[1] for line in opened} == {
        f"{address} ipproto {protocol} dport {port}"
        for address, port in (("10.0.2.3", 53), ("192.0.2.9", 3128))
        for protocol in (6, 17)
    }
    refused = {line.split()[5] for line in lines if line.endswith("prohibit")}
    assert refused >= {"127.0.0.0/8", "169.254.0.0/16", "10.0.2.0/24", "224.0.0.0/4", "0.0.0.0/8", "192.0.2.9"}
    assert all(line.startswith("rule add iif inside ") for line in lines if line.startswith("rule"))


def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
