"""Endpoints: the host of a repository, and whether plain HTTP is allowed. Sends nothing."""

# The part of `socket` that is written in C: `socket` and `ipaddress` take longer to import than a request takes.
import _socket
import functools
from urllib.parse import urlsplit

from airbyte_ci.oci.reference import DEFAULT_REGISTRY, Reference
from airbyte_ci.records import dataclass
from airbyte_ci.registry.options import RegistryOptions

# The registry of docker.io has another host name; docker.io is only a web site.
_API_HOSTS = {DEFAULT_REGISTRY: "registry-1.docker.io"}
_LOOPBACK_6 = bytes(15) + b"\x01"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One repository at one host: `registry` is its name in references and logins, `host` the address to connect to."""

    registry: str
    repository: str

    @property
    def host(self) -> str:
        return _API_HOSTS.get(self.registry, self.registry)

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}"


def endpoint(reference: Reference) -> Endpoint:
    """Returns the repository itself, the only target of pushes."""
    return Endpoint(reference.registry, reference.repository)


def endpoints(reference: Reference, options: RegistryOptions) -> tuple[Endpoint, ...]:
    """Returns where to read from: the registry's mirrors in order, then the registry."""
    mirrors = options.mirrors.get(reference.registry, ())
    return (*(_mirrored(mirror, reference) for mirror in mirrors), endpoint(reference))


def _mirrored(mirror: str, reference: Reference) -> Endpoint:
    host, _, prefix = mirror.strip("/").partition("/")
    return Endpoint(host, f"{prefix}/{reference.repository}" if prefix else reference.repository)


@functools.cache
def is_loopback(host: str) -> bool:
    """Returns whether `host[:port]` is this machine, so that requests to it do not cross a network."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        address = _socket.inet_pton(_socket.AF_INET6 if ":" in name else _socket.AF_INET, name)
    except (OSError, ValueError):
        return name == "localhost" or name.endswith(".localhost")
    return address == _LOOPBACK_6 or (len(address) == 4 and address[0] == 127)


def may_be_plain(host: str, options: RegistryOptions) -> bool:
    """Returns whether `host[:port]` may be used over plain HTTP."""
    return host in options.insecure or is_loopback(host)
