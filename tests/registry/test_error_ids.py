"""Errors of registries have the id of their kind, which `airbyte-ci explain` explains."""

import socket

import pytest

from airbyte_ci.errors import RegistryError
from airbyte_ci.oci.reference import Reference
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.faults import Fault, Refuse
from airbyte_ci.testing.registry import RegistryServer


@pytest.mark.parametrize(
    ("status", "error_id"),
    [
        (401, "registry-login"),
        (403, "registry-access"),
        (404, "registry-not-found"),
        (429, "registry-rate-limit"),
        (500, "registry-unavailable"),
        (503, "registry-unavailable"),
        (400, ""),
    ],
)
def test_a_refusal_has_the_id_of_its_status(status: int, error_id: str) -> None:
    """Also after all retries; another status has none, because its own words are all that is known."""
    faults = [Fault("get manifest", Refuse(status), None)]
    with RegistryServer(faults=faults) as server, quick_client() as client, pytest.raises(RegistryError) as caught:
        client.manifest(Reference.parse(f"{server.host}/acme/x:1"))
    assert caught.value.error_id == error_id


def test_no_connection_has_an_id() -> None:
    """A port at which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        with quick_client(RegistryOptions(attempts=1)) as client, pytest.raises(RegistryError) as caught:
            client.manifest(Reference.parse(f"{host}/acme/x:1"))
    assert caught.value.error_id == "registry-unreachable"
