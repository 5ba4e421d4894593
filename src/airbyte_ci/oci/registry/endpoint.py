"""Endpoints: which host is asked for a repository, and whether it may be asked without TLS; sends nothing."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from airbyte_ci.oci.reference import DEFAULT_REGISTRY, Reference
from airbyte_ci.oci.registry.options import RegistryOptions

# The registry that references call docker.io answers at another name; only its web site is at docker.io.
_API_HOSTS = {DEFAULT_REGISTRY: "registry-1.docker.io"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One repository at one host: people and credentials say `registry`, `host` is what is dialled."""

    registry: str
    repository: str

    @property
    def host(self) -> str:
        return _API_HOSTS.get(self.registry, self.registry)

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}"


def endpoint(reference: Reference) -> Endpoint:
    """The repository itself; pushes go nowhere else."""
    return Endpoint(reference.registry, reference.repository)


def endpoints(reference: Reference, options: RegistryOptions) -> tuple[Endpoint, ...]:
    """Where to read from: the registry's mirrors in their order, then the registry."""
    mirrors = options.mirrors.get(reference.registry, ())
    return (*(_mirrored(mirror, reference) for mirror in mirrors), endpoint(reference))


def _mirrored(mirror: str, reference: Reference) -> Endpoint:
    host, _, prefix = mirror.strip("/").partition("/")
    return Endpoint(host, f"{prefix}/{reference.repository}" if prefix else reference.repository)


def is_loopback(host: str) -> bool:
    """Whether `host[:port]` is this machine, so that nothing sent to it crosses a network."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def may_be_plain(host: str, options: RegistryOptions) -> bool:
    """Whether `host[:port]` may be spoken to over plain HTTP."""
    return host in options.insecure or is_loopback(host)
