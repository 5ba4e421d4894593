"""Checks whether a registry answers at all (distribution-spec, end-1): once, without a login or a download."""

from airbyte_ci.errors import RegistryError
from airbyte_ci.registry.endpoint import Endpoint, may_be_plain
from airbyte_ci.registry.failures import explain
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.registry.transport import Transport

# With or without a login, this is a reachable registry.
_ANSWERS = (200, 401, 403)


def reach(registry: str, options: RegistryOptions) -> str:
    """Returns the result in words; raises RegistryError if the answer is not a registry's."""
    host = Endpoint(registry, "").host
    scheme = "http" if may_be_plain(host, options) else "https"
    transport = Transport(timeout=options.timeout)
    try:
        url = f"{scheme}://{host}/v2/"
        with (
            explain("cannot connect to the registry"),
            transport.exchange("HEAD", url, {}, None, registry=registry) as answer,
        ):
            if answer.status not in _ANSWERS:
                raise RegistryError(f"{registry} answered {answer.status}, so it is not a registry")
            return "it answers" if answer.status == 200 else "it answers, and requires a login"
    finally:
        transport.close()
