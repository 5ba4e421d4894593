"""A look at a tag without the client: says yes only to what is certain."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry import glance
from airbyte_ci.oci.registry.client import client_of_user
from airbyte_ci.oci.registry.options import RegistryOptions
from airbyte_ci.oci.store import Store
from airbyte_ci.testing.images import random_image
from airbyte_ci.testing.registry import RegistryServer

OTHER = Digest("a" * 64)


def asked(
    reference: str, digest: Digest, options: RegistryOptions | None = None, environment: Mapping[str, str] | None = None
) -> bool:
    return glance.stands_for(Reference.parse(reference), digest, options or RegistryOptions(), environment or {})


def test_a_tag_stands_for_what_was_pushed(tmp_path: Path) -> None:
    """Yes for the digest that the tag has; no for another digest, another tag, and with --offline."""
    store = Store(tmp_path)
    image = random_image(store)
    with RegistryServer() as server, client_of_user(RegistryOptions()) as client:
        place = f"{server.host}/acme/x:1"
        client.push(store, image.digest, Reference.parse(place))
        assert asked(place, image.digest)
        assert not asked(place, OTHER)
        assert not asked(f"{server.host}/acme/x:2", image.digest)
        assert not asked(place, image.digest, RegistryOptions(offline=True))
    assert not asked(place, image.digest), "a registry that is gone says nothing"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "REQUESTS_CA_BUNDLE"])
def test_what_only_the_client_knows_is_left_to_it(name: str) -> None:
    """With a proxy or certificates of one's own no TLS host is asked here."""
    assert not asked("registry.invalid/acme/x:1", OTHER, environment={name: "x"})
