"""Checks of what builds reach over the network: registries, and the host that commands with network need."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from airbyte_ci.config import Configuration
from airbyte_ci.doctor.check import MachineCheck
from airbyte_ci.errors import AirbyteCiError, RegistryError
from airbyte_ci.registry.options import RegistryOptions

_PATIENCE = 2.0
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def list_registries(configuration: Configuration) -> tuple[str, ...]:
    """Returns the configured registries of base images and their mirrors. A bare `localhost` is a name, not a host."""
    named = [repository.partition("/")[0] for repository in configuration.base_image_repositories]
    mirrors = [mirror.partition("/")[0] for item in configuration.mirrors.values() for mirror in item]
    return tuple(dict.fromkeys(host for host in (*named, *mirrors) if host != "localhost"))


def check_registry(host: str, configuration: Configuration) -> Callable[[], MachineCheck]:
    def probe() -> MachineCheck:
        from airbyte_ci.registry.endpoint import Endpoint, may_be_plain
        from airbyte_ci.registry.reach import reach  # slow to import

        options = RegistryOptions(insecure=frozenset(configuration.insecure_registries), timeout=_PATIENCE)
        try:
            return MachineCheck(name=f"registry {host}", status="ok", told=reach(host, options))
        except RegistryError as error:
            cost = "pulls from and pushes to this registry fail"
            cost += " (check the network and the proxy, or set a mirror in the configuration)"
            real = Endpoint(host, "").host
            advice = f"curl --verbose {'http' if may_be_plain(real, options) else 'https'}://{real}/v2/"
            return MachineCheck(
                name=f"registry {host}",
                status="limited",
                told=error.message,
                error_id=error.error_id,
                cost=cost,
                advice=advice,
            )

    return probe


def find_outside(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Returns the host that commands with network need: the proxy, or the package index."""
    from airbyte_ci.python.index.package_index import PUBLIC, PackageIndex  # slow to import

    url = next((environment[name] for name in _PROXIES if environment.get(name)), "")
    try:
        url = url or PackageIndex.from_environment(environment).main or PUBLIC.url
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except (AirbyteCiError, ValueError):
        return None  # The user of this value reports the error.
    return (parts.hostname, port) if parts.hostname else None
