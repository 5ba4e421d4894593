"""The private network of a sandbox: the internet through slirp4netns, and of this machine only its name servers.

slirp4netns opens connections as a process of this machine, so it could reach everything that the machine reaches,
including its own services. Therefore a router is in between: a network namespace without processes, whose rules accept
or refuse each packet by destination. A sandbox can change its own routes at most (bind sockets to a device, choose a
source, mark packets), never the router's:

    command → tap0 10.0.2.100 ─ veth ─ 10.0.2.1 router → tap of slirp4netns → this machine's connections
"""

import contextlib
import functools
import ipaddress
import itertools
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from airbyte_ci.errors import SandboxError
from airbyte_ci.sandbox import kernel, runner

NAME_SERVER = "10.0.2.3"  # slirp4netns forwards this address to the host's name servers.
GATEWAY = "10.0.2.2"  # This machine, as slirp4netns shows it.
DEVICE = "tap0"  # The sandbox's device, with slirp4netns' usual name.
_SANDBOX, _ROUTER = "10.0.2.100", "10.0.2.1"
_INSIDE, _OUTSIDE = "inside", "outside"  # The router's devices.
# TCP and UDP by number (IANA): `ip` knows their names only from /etc/protocols, which minimal systems lack.
_PROTOCOLS = (6, 17)
_NEVER = (
    "0.0.0.0/8",  # This host (RFC 1122).
    "127.0.0.0/8",
    "169.254.0.0/16",  # Link-local: clouds provide the machine's credentials there.
    "224.0.0.0/4",
    "240.0.0.0/4",  # Reserved, and broadcast.
    "10.0.2.0/24",  # slirp4netns' own: the host, its name server, files by TFTP.
)
# The names that docker-compatible programs give in containers to the machine on which they run.
_OUTER = ("host.docker.internal", "host.containers.internal", "host.lima.internal", "host.rancher-desktop.internal")
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_OPEN_TABLE = 100
_MTU = 65520
# Packets pass the router; it answers for the sandbox immediately when slirp4netns requests the owner of its address.
_ROUTER_SETTINGS = {
    "ipv4/ip_forward": "1",
    "ipv4/neigh/default/proxy_delay": "0",
    "ipv4/conf/all/route_localnet": "0",
    "ipv4/conf/default/route_localnet": "0",
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
}


def own_addresses(table: str) -> tuple[str, ...]:
    """Returns this machine's IPv4 addresses except loopback, from the kernel's routing table (/proc/net/fib_trie)."""
    lines = [line.strip() for line in table.splitlines()]
    found = {
        line.removeprefix("|-- ")
        for line, following in itertools.pairwise(lines)
        if line.startswith("|-- ") and following == "/32 host LOCAL"
    }
    return tuple(sorted(item for item in found if not ipaddress.ip_address(item).is_loopback))


def routes(addresses: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """Returns the input of `ip -batch` in the sandbox's namespace, where packets that the router refuses fail
    immediately.

    Only the port of the name server is reachable: on others slirp4netns would connect to that host itself. If a proxy
    in the environment, which commands receive, is on this machine, only its port of that address stays open.
    """
    way = f"via {_ROUTER} dev {DEVICE}"
    lines = [
        "link set lo up",
        f"address add {_SANDBOX}/32 dev {DEVICE}",
        f"link set {DEVICE} up",
        f"route add {_ROUTER} dev {DEVICE} scope link",
        f"route add default {way}",
        *(f"route add blackhole {address}" for address in _refused(addresses)),
        f"route add default {way} table {_OPEN_TABLE}",
        *(f"rule add {match} lookup {_OPEN_TABLE} priority 50" for match in _opened(addresses, environment)),
    ]
    return "".join(f"{line}\n" for line in lines)


def router(addresses: tuple[str, ...], environment: Mapping[str, str], pid: int) -> str:
    """Returns the input of `ip -batch` in the router's namespace, for a sandbox in the network namespace of a process.

    Rules apply in order: allowed destinations, refused ones, then the routes. They apply only to packets from the
    sandbox, because the answers have the same addresses.
    """
    lines = [
        f"link add name {_INSIDE} mtu {_MTU} type veth peer name {DEVICE} mtu {_MTU} netns {pid}",
        f"address add {_ROUTER}/32 dev {_INSIDE}",
        f"link set {_INSIDE} up",
        f"link set {_OUTSIDE} up mtu {_MTU}",
        f"route add {_SANDBOX} dev {_INSIDE}",
        *(f"rule add iif {_INSIDE} {match} lookup main priority 10" for match in _opened(addresses, environment)),
        *(f"rule add iif {_INSIDE} to {address} priority 20 prohibit" for address in _refused(addresses)),
        f"route add default via {GATEWAY} dev {_OUTSIDE} onlink",
        f"neighbor add proxy {_SANDBOX} dev {_OUTSIDE}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _refused(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return (*_NEVER, *addresses)


def _opened(addresses: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    opened = [(NAME_SERVER, 53), *(proxy for proxy in _proxies(environment) if proxy[0] in addresses)]
    return [f"to {address} ipproto {protocol} dport {port}" for address, port in opened for protocol in _PROTOCOLS]


def _proxies(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for name, value in environment.items():
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            with contextlib.suppress(ValueError):
                parts = urlsplit(value if "://" in value else f"http://{value}")
                if parts.hostname:
                    yield parts.hostname, parts.port or 80


def is_own(address: str) -> bool:
    """Returns whether an address (IPv4 or IPv6) is one that sandboxes must not reach: this machine's, link-local, …"""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if isinstance(found, ipaddress.IPv4Address):
        return str(found) in _own() or any(found in ipaddress.ip_network(item) for item in _NEVER)
    # The tunnels and translations contain IPv4 addresses (RFC 6052, RFC 3056), which may be this machine's.
    translated = found.sixtofour is not None or found.teredo is not None or found in _TRANSLATED
    special = (found.is_loopback, found.is_link_local, found.is_multicast, found.is_unspecified, found.is_site_local)
    return translated or any(special) or found.packed.hex() in _own_ipv6()


def _own_ipv6() -> set[str]:
    place = Path("/proc/net/if_inet6")
    return {line.split()[0] for line in place.read_text().splitlines()} if place.exists() else set()


def here(environment: Mapping[str, str]) -> str:
    """Returns the routes for a sandbox on this machine."""
    return routes(_own(), environment)


def _own() -> tuple[str, ...]:
    return (*own_addresses(Path("/proc/net/fib_trie").read_text()), *(_outer() if runner.INSIDE in os.environ else ()))


@functools.cache
def _outer() -> tuple[str, ...]:
    """Returns the addresses of the machine around this container, whose services are out of reach as well."""
    found: set[str] = set()
    for name in _OUTER:
        with contextlib.suppress(OSError):
            found |= {str(item[4][0]) for item in socket.getaddrinfo(name, None, socket.AF_INET)}
    return tuple(sorted(item for item in found if not ipaddress.ip_address(item).is_loopback))


def used(counters: str) -> bool:
    """Whether the sandbox's device sent any data, from its final /proc/net/dev."""
    for line in counters.splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == DEVICE:
            return int(numbers.split()[9]) > 0
    return False


@contextlib.contextmanager
def attach(pid: int, environment: Mapping[str, str]) -> Iterator[None]:
    """Sets up user-mode networking for a process's namespaces: the outside, but nothing of this host.

    `environment` may name a proxy on this host.
    """
    try:
        namespace = kernel.new_network(_set_up_router)
    except OSError as error:
        raise SandboxError(f"cannot set up the network of a sandbox: {error}", error_id="sandbox-network") from error
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, namespace)
        stack.enter_context(_connect(namespace))
        # nsenter, because the namespace has no name and no process.
        finished = subprocess.run(
            ["nsenter", f"--net=/proc/self/fd/{namespace}", "ip", "-batch", "-"],
            input=router(_own(), environment, pid),
            pass_fds=(namespace,),
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            said = "; ".join(finished.stderr.strip().splitlines())
            advice = "sudo modprobe veth" if "not supported" in said else None
            raise SandboxError(
                f"cannot set up the network of a sandbox: ip reports {said!r}",
                advice=advice,
                error_id="sandbox-network",
            )
        yield


def _set_up_router() -> None:
    for name, value in _ROUTER_SETTINGS.items():
        place = Path("/proc/sys/net", name)
        if place.exists():  # The kernel may lack IPv6.
            place.write_text(value)


@contextlib.contextmanager
def _connect(namespace: int) -> Iterator[None]:
    """Runs slirp4netns on its own device of the router during the block."""
    ready_read, ready_write = os.pipe()
    exit_read, exit_write = os.pipe()  # slirp4netns ends when the other side is closed, so it cannot outlive us.
    try:
        process = subprocess.Popen(
            [
                *("slirp4netns", f"--mtu={_MTU}", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp"),
                *(f"--ready-fd={ready_write}", f"--exit-fd={exit_read}", "--netns-type=path"),
                *(f"/proc/self/fd/{namespace}", _OUTSIDE),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(ready_write, exit_read, namespace),
        )
    finally:
        os.close(ready_write)
        os.close(exit_read)
    try:
        with os.fdopen(ready_read, "rb") as ready:
            if not ready.read(1):
                _, message = process.communicate()
                said = "; ".join(message.decode(errors="replace").strip().splitlines())
                advice = "chmod 0666 /dev/net/tun" if "/dev/net/tun" in said else None
                raise SandboxError(
                    f"cannot set up the network of a sandbox: slirp4netns reports {said!r}",
                    advice=advice,
                    error_id="sandbox-network",
                )
        yield
    finally:
        os.close(exit_write)
        with process:
            process.terminate()
