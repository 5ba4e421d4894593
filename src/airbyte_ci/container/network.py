"""The private network of a sandbox: the outside through slirp4netns, and of this machine nothing but its name servers.

slirp4netns opens the connections as a process of this machine, so whatever this machine can reach would be within
reach: its own services on any of its addresses too. Routes in the sandbox's network namespace, which nobody in the
sandbox may change, end those.
"""

import contextlib
import ipaddress
import itertools
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from airbyte_ci.errors import SandboxError

NAME_SERVER = "10.0.2.3"  # slirp4netns forwards it to the host's name servers
GATEWAY = "10.0.2.2"  # this machine, as slirp4netns shows it
# Link-local addresses: clouds hand out the machine's own credentials there.
_NEVER = ("169.254.0.0/16",)
_OPEN_TABLE = 100


def own_addresses(table: str) -> tuple[str, ...]:
    """This machine's IPv4 addresses but loopback's, from the kernel's routing table (/proc/net/fib_trie)."""
    lines = [line.strip() for line in table.splitlines()]
    found = {
        line.removeprefix("|-- ")
        for line, following in itertools.pairwise(lines)
        if line.startswith("|-- ") and following == "/32 host LOCAL"
    }
    return tuple(sorted(item for item in found if not ipaddress.ip_address(item).is_loopback))


def routes(addresses: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """What `ip -batch` is told in the sandbox's namespace.

    The name server is reached at its port only: on others slirp4netns would connect to that host itself. Where a proxy
    in the environment, which is what this machine lends, is on this machine, its port and nothing else of that address
    stays open.
    """
    lines = [
        "link set lo up",
        *(f"route add blackhole {address}" for address in (*_NEVER, *addresses, NAME_SERVER)),
        f"route add default via {GATEWAY} dev tap0 table {_OPEN_TABLE}",
    ]
    opened = [(NAME_SERVER, 53), *(proxy for proxy in _proxies(environment) if proxy[0] in addresses)]
    lines += [
        f"rule add to {address} ipproto {protocol} dport {port} lookup {_OPEN_TABLE} priority 50"
        for address, port in opened
        for protocol in ("tcp", "udp")
    ]
    return "".join(f"{line}\n" for line in lines)


def _proxies(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for name, value in environment.items():
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            with contextlib.suppress(ValueError):
                parts = urlsplit(value if "://" in value else f"http://{value}")
                if parts.hostname:
                    yield parts.hostname, parts.port or 80


def here(environment: Mapping[str, str]) -> str:
    """The routes for a sandbox on this machine."""
    return routes(own_addresses(Path("/proc/net/fib_trie").read_text()), environment)


def used(counters: str) -> bool:
    """Whether anything was sent through the sandbox's device, from its /proc/net/dev at the end."""
    for line in counters.splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "tap0":
            return int(numbers.split()[9]) > 0
    return False


@contextlib.contextmanager
def attach(pid: int) -> Iterator[None]:
    """User-mode networking for the namespaces of a process: the outside, but not this host's loopback."""
    ready_read, ready_write = os.pipe()
    exit_read, exit_write = os.pipe()  # slirp4netns ends when the other side is closed, so it cannot outlive us
    try:
        process = subprocess.Popen(
            [
                *("slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback"),
                *(f"--ready-fd={ready_write}", f"--exit-fd={exit_read}", str(pid), "tap0"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(ready_write, exit_read),
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
                raise SandboxError(f"setting up the network of a sandbox: slirp4netns says {said!r}", advice=advice)
        yield
    finally:
        os.close(exit_write)
        with process:
            process.terminate()
